"""Requests that no page of the viewer sends, drawn by a seed, for the campaign and its sample."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, urlencode

from starlette.types import ASGIApp

import vog
import world
from vog.result import Run
from vog.viewer import application
from vog.viewer.on_demand import Inspection
from vog.viewer.request_guard import Guard

TOKEN = "the-token"
_PAGES = (
    *("", "classes", "compare", "compare.svg", "review", "review.csv", "review.txt", "example"),
    *(
        "picture",
        "map",
        "trajectory",
        "static",
        "mark",
        "undo",
        "inspect",
        "example/3",
        "picture/3",
    ),
    *("static/look.css", "map/3/spread.png", "trajectory/3.svg", "inspect/3", "mark/"),
)
_NAMES = (
    *("by", "order", "label", "predicted", "judged", "low", "high", "text", "marked", "problem"),
    *("also", "page", "score", "stage", "as", "x", "y", "size", "safe", "index", "verdict", "note"),
    *("back", "from", "token", "", "\0", "by[]"),
)
_WORDS = (
    *("", "0", "-1", "3", "1e308", "-inf", "nan", "1e-400", "9" * 30, "9" * 5000, "\u0663", "0x1"),
    *("vog@all", "vog@all:class", "vog@all:rank", "vog@none", "id", "index", "label", "problem"),
    *("aum@all:robust", ":class", "@", "vog@all:class:rank", "prediction@all", "hard", "asc"),
    *("keep", "relabel", "drop", "any", "none", "right", "wrong", "1", "#1", "#", "##2", "late"),
    *("../../etc/passwd", "..%2f..", "%00", "\0", "\ud800", "\u202e", "\r\nset-cookie: a=b"),
    *("<script>alert(1)</script>", "'; DROP TABLE decisions; --", '" OR 1=1', "{{ 7 * 7 }}"),
    *(
        "a=1&" * 60,
        "x" * 70_000,
        "//evil.example",
        "https://evil.example",
        "\U0001f638",
        "%",
        "%zz",
    ),
)
_HOSTS = (
    *(b"127.0.0.1:8765",) * 20,
    *(b"", b"evil.example", b"127.0.0.1:8765\t", b"a@127.0.0.1", b"[", b"\xff", b"localhost:x"),
)


@dataclass(frozen=True)
class Hostile:
    """One request, as a server gives it to the application."""

    method: str
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


def viewer(folder: Path) -> tuple[ASGIApp, Run]:
    """Return a viewer of forty rows with odd names, and the run."""
    inputs, labels = world.inputs_and_labels(40)
    world.save_checkpoints(folder / "c", 6)
    data = ([(x, int(y)) for x, y in zip(inputs, labels, strict=True)], folder)
    run = vog.score(world.build, folder / "c", _Named(*data), folder / "run", quiet=True, workers=0)

    def refuse(index: int) -> Any:
        raise vog.VogError(f"example {index} has moved")

    how = Inspection("mynet.py:build()", refuse)
    return application(run, Guard("127.0.0.1", TOKEN), inspection=how), run


class _Named:
    """Items whose ids are as odd as a file name may be."""

    def __init__(self, items: list[tuple[Any, int]], folder: Path) -> None:
        self.items = items
        odd = ["<b>", "a b", "caf\u00e9", "'\"", "=1+1", "a\nb", "..", "%2f", "\U0001f638", "&amp;"]
        self.ids = [f"{odd[row % len(odd)]}{row}" for row in range(len(items))]
        self.classes = ["<i>cat</i>", "1", "0", "a,b"]

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, row: int) -> tuple[Any, int]:
        return self.items[row]


def drawn(seed: int, count: int) -> Iterator[Hostile]:
    """Yield requests; the same seed draws the same."""
    rng = random.Random(seed)
    for _ in range(count):
        yield _one(rng)


def _one(rng: random.Random) -> Hostile:
    method = rng.choice(["GET"] * 6 + ["POST"] * 5 + ["HEAD", "PUT", "DELETE", "OPTIONS", "BREW"])
    path = "/" + rng.choice(_PAGES)
    for _ in range(rng.choice([0, 0, 0, 1, 2])):
        path += "/" + rng.choice(_WORDS)[:300]
    host = (b"host", rng.choice(_HOSTS))
    body, kind = _body(rng) if method == "POST" else (b"", b"text/plain")
    headers = [host, (b"content-type", kind)]
    if rng.random() < 0.1:
        headers.append((b"origin", rng.choice([b"null", b"http://evil", b"http://[", b"\xff"])))
    if rng.random() < 0.05:
        headers.append((b"host", b"127.0.0.1:8765"))
    return Hostile(method, path, _pairs(rng), tuple(headers), body)


def _pairs(rng: random.Random) -> bytes:
    if rng.random() < 0.1:
        return rng.choice(
            [b"\xff", b"&&&=", b"%", b"a=%ff", b"by=%00", b";" * 99, rng.randbytes(9)]
        )
    chosen = [(rng.choice(_NAMES), rng.choice(_WORDS)) for _ in range(rng.choice([0, 1, 2, 4, 9]))]
    return urlencode(chosen, errors="surrogatepass").encode()


def _body(rng: random.Random) -> tuple[bytes, bytes]:
    if rng.random() < 0.1:
        return rng.randbytes(rng.choice([0, 1, 99, 70_000])), b"multipart/form-data; boundary=x"
    fields = [("token", TOKEN)] if rng.random() < 0.9 else []
    fields += [("index", rng.choice(["3", "39", "40", *_WORDS]))] if rng.random() < 0.8 else []
    fields += [(rng.choice(_NAMES), rng.choice(_WORDS)) for _ in range(rng.choice([0, 1, 2, 3]))]
    fields += [("back", quote_from_bytes(_pairs(rng)))] if rng.random() < 0.5 else []
    return urlencode(fields, errors="surrogatepass").encode(), b"application/x-www-form-urlencoded"


def ask(app: ASGIApp, hostile: Hostile) -> Answer:
    """Return the answer; what the application does not catch is raised, as by a server's log."""
    return asyncio.run(_ask(app, hostile))


async def _ask(app: ASGIApp, hostile: Hostile) -> Answer:
    sent: list[Any] = []
    waiting = [{"type": "http.request", "body": hostile.body, "more_body": False}]

    async def receive() -> Any:
        return waiting.pop() if waiting else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": hostile.method,
        "scheme": "http",
        "path": hostile.path,
        "raw_path": hostile.path.encode("utf-8", "replace"),
        "root_path": "",
        "query_string": hostile.query,
        "headers": list(hostile.headers),
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8765),
    }
    await app(scope, receive, send)
    content = b"".join(one.get("body", b"") for one in sent[1:])
    return Answer(sent[0]["status"], dict(sent[0]["headers"]), content)


def refuse_a_bad_answer(hostile: Hostile, answer: Answer) -> None:
    """Raise AssertionError where an answer tells too much, leads away, or is a fault of ours."""
    assert answer.status in (200, 303, 400, 403, 404, 405, 413, 421), hostile
    assert b"Traceback" not in answer.body, hostile
    assert b"root:" not in answer.body, hostile
    if answer.headers.get(b"content-type", b"").startswith(b"text/html"):
        assert b"<script>alert" not in answer.body, hostile
    location = answer.headers.get(b"location", b"./")
    assert location.startswith((b"./", b"../")), hostile
    assert b"\n" not in location, hostile
    assert not location.startswith((b".//", b"..//", b"..///")), hostile
