"""The viewer's answers, without a browser: what it shows, what it refuses, what cannot break it."""

import csv
import html
import io
import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin

import numpy as np
import pytest
from httpx2 import Headers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

import vog
import world
from command_line import Cli
from vog.analysis.one_run.correlation import spearman
from vog.errors import ResultError, VogError
from vog.figures.previews import Preview
from vog.result import Run
from vog.result.marks import Review
from vog.result.sql import RunTables
from vog.viewer import application, request_guard, server, view_query
from vog.viewer.background import IdleWorker
from vog.viewer.on_demand import Inspection, inspection
from vog.viewer.request_guard import Guard
from vog.viewer.view_query import View

HERE = "http://127.0.0.1:8765"
ROWS = 120


def client(run: Run, host: str = "127.0.0.1", **more: Any) -> TestClient:
    """Asks the viewer of a run as a browser on this machine does."""
    app = application(run, Guard(host, "the-token"), **more)
    return TestClient(app, base_url=HERE, follow_redirects=False)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and the data that it names, which is scored once."""
    folder = tmp_path_factory.mktemp("scored")
    world.save_checkpoints(folder / "c", 7)
    data = world.save_npz(folder / "data.npz", ROWS)
    vog.score(world.build, folder / "c", str(data), folder / "run", quiet=True)
    return folder


@pytest.fixture
def run(scored: Path, tmp_path: Path) -> Run:
    """The run in a folder of its own, so that its marks are."""
    shutil.copytree(scored / "run", tmp_path / "run")
    return vog.open(tmp_path / "run")


@pytest.fixture
def pages(run: Run) -> TestClient:
    return client(run)


def moved(run: Run) -> Run:
    """The same run, whose data are not where they were."""
    return replace(run, question=run.question | {"where": {"data": "gone/data.npz"}})


def shown(text: str) -> list[int]:
    """The rows of a gallery, in its order."""
    return [int(index) for index in re.findall(r'<a class="picture" id="e(\d+)"', text)]


def post(pages: TestClient, path: str, **fields: Any) -> Any:
    return pages.post(path, data={"token": "the-token", "index": 3, "back": ""} | fields)


@pytest.mark.slow
def test_the_gallery_is_in_the_order_of_top(run: Run, pages: TestClient) -> None:
    for query, expected in (
        ("", run.top(48)),
        ("?by=aum@late", run.top(48, by="aum@late")),
        ("?by=vog@all:class&order=asc", run.top(48, easiest=True)),
        ("?by=aum@late&order=hard", run.top(48, by="aum@late")),
        ("?by=aum@late&order=easy", run.top(48, by="aum@late", easiest=True)),
        ("?score=el2n&stage=early&as=class", run.top(48, by="el2n@early:class")),
        ("?by=vog@all:class&label=2", run.top(48, label=2)),
        ("?page=2", run.top(96).slice(48)),
    ):
        answer = pages.get(f"/{query}")
        assert answer.status_code == 200
        assert shown(answer.text) == expected["index"].to_pylist(), query
    assert "120 examples by vog@all:class, hardest first" in pages.get("/").text


@pytest.mark.slow
def test_filters_leave_what_they_say(run: Run, pages: TestClient) -> None:
    rows = run.table().to_pylist()
    wrong = {r["index"] for r in rows if r["label"] != r["prediction@all"]}
    assert 0 < len(wrong) < ROWS
    for query, expected in (
        ("judged=wrong", wrong),
        ("judged=right", set(range(ROWS)) - wrong),
        ("predicted=1", {r["index"] for r in rows if r["prediction@all"] == 1}),
        ("text=11", {r["index"] for r in rows if "11" in r["id"]}),
        ("problem=1", set()),
        (
            "by=confidence@all&low=0.2&high=0.4",
            {r["index"] for r in rows if 0.2 <= r["confidence@all"] <= 0.4},
        ),
    ):
        found = [i for page in (1, 2, 3) for i in shown(pages.get(f"/?{query}&page={page}").text)]
        assert len(found) == len(set(found))
        assert set(found) == expected, query


def test_an_address_holds_the_whole_view(run: Run) -> None:
    asked = {
        "by": "aum@late:rank",
        "order": "desc",
        "label": "2",
        "predicted": "1",
        "judged": "wrong",
        "low": "0.1",
        "high": "0.9",
        "text": "a b&c",
        "marked": "drop",
        "problem": "1",
        "also": "vog@all",
        "page": "7",
    }
    view = view_query.read_view(run, asked)
    assert view_query.read_view(run, dict(parse_qsl(view.address(run)))) == view
    assert set(asked) == set(vars(view)), "every attribute is a word of the address"
    assert view_query.read_view(run, {}).address(run) == "", "what is usual is left out"
    assert view.is_filtered
    assert not view_query.read_view(run, {"by": "aum@all"}).is_filtered


def test_a_zero_is_kept_in_an_address(run: Run) -> None:
    asked = {"label": "0", "predicted": "0", "low": "0.0", "high": "0.0"}
    view = view_query.read_view(run, asked)
    assert view_query.read_view(run, dict(parse_qsl(view.address(run)))) == view
    assert (view.label, view.predicted, view.low, view.high) == (0, 0, 0, 0)


def test_classes_that_are_called_as_others_are_numbered(run: Run) -> None:
    """Folders 0, 1, 10, 2 in alphabetical order: "10" is class 2, and "2" class 3."""
    odd = run.with_label_names(["0", "1", "10", "2"])
    assert [view_query.class_word(odd, label) for label in range(4)] == ["0", "1", "#2", "3"]
    for label in range(4):
        view = view_query.read_view(
            odd, dict(parse_qsl(View("aum@all", "asc", label).address(odd)))
        )
        assert view.label == label
    assert view_query.class_number(odd, "10") == 2, "the only meaning it has"
    with pytest.raises(ResultError, match="2 is the name of one class and the number of another"):
        view_query.class_number(odd, "2")
    assert post(client(odd), "/mark", verdict="relabel", label="2").status_code == 400
    post(client(odd), "/mark", verdict="relabel", label="#2")
    assert Review(run.folder).marks()["3"].label == 2


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("by=nothing", "has no column 'nothing'"),
        ("by=vog@all:wrong", "only scores may end in"),
        ("score=vog&stage=never", "has no column"),
        ("score=vog&stage=all&as=odd", "as='odd'"),
        ("order=up", "order='up': expected asc, desc, hard, easy"),
        ("label=nobody", "there is no class 'nobody'"),
        ("low=much", "low='much' is no number"),
        ("low=nan", "low='nan' is no number"),
        ("page=0", "counted from 1"),
        ("page=99999999999", "is no page"),
        ("marked=perhaps", "marked='perhaps'"),
        ("also=none@such", "has no column"),
    ],
)
def test_an_address_that_makes_no_sense_is_told(pages: TestClient, query: str, said: str) -> None:
    answer = pages.get(f"/?{query}")
    assert answer.status_code == 400
    assert said in html.unescape(answer.text)


def test_the_page_of_an_example(run: Run, pages: TestClient) -> None:
    order = run.top(ROWS)["index"].to_pylist()
    text = pages.get(f"/example/{order[10]}").text
    strip = [int(i) for i in re.findall(r'<li><a class="picture" href="\.\./example/(\d+)\?', text)]
    assert strip == [*order[6:10], *order[11:15]], "four before it and four after it, in order"
    assert re.search(rf'rel="next" href="\.\./example/{order[11]}\?', text)
    assert re.search(rf'rel="prev" href="\.\./example/{order[9]}\?', text)
    hard = run.hardness("aum@early")[order[10]]
    assert f"{hard:.1%}" in text.partition("Where it stands")[2]
    first = pages.get(f"/example/{order[0]}").text
    assert 'rel="prev"' not in first
    for path in (
        f"/example/{ROWS}",
        "/example/-1",
        "/example/x",
        "/example/" + "9" * 40,
        "/nothing",
    ):
        answer = pages.get(path)
        assert answer.status_code == 404, path
        assert "There is no such page or example." in answer.text


def test_pictures_are_drawn_anew(run: Run, pages: TestClient, scored: Path) -> None:
    answer = pages.get("/picture/5?size=240")
    assert answer.headers["content-type"] == "image/png"
    image = np.asarray(Image.open(io.BytesIO(answer.content)))
    row = np.load(scored / "data.npz")["inputs"][5].transpose(1, 2, 0)
    np.testing.assert_allclose(image, (row - row.min()) / np.ptp(row) * 255, atol=1)
    assert pages.get(f"/picture/{ROWS}").status_code == 404
    lost = client(moved(run))
    assert lost.get("/picture/5").status_code == 404
    assert "There are no pictures." in lost.get("/").text
    assert "data.npz with the images of the run cannot be read" in lost.get("/example/5").text


def test_marks_are_kept_and_taken_back(run: Run, pages: TestClient) -> None:
    review = Review(run.folder)
    assert not review.path.exists()
    answer = post(pages, "/mark", verdict="drop", back="by=aum%40all&page=2")
    assert (answer.status_code, answer.headers["location"]) == (303, "./?by=aum%40all&page=2#e3")
    assert review.marks()["3"].verdict == "drop"
    order = run.top(ROWS)["index"].to_pylist()
    there = {"from": "example"}
    answer = post(pages, "/mark", index=order[4], verdict="relabel", label="2", note="odd", **there)
    assert answer.headers["location"] == f"./example/{order[5]}", "on to the next"
    mark = review.marks()[str(order[4])]
    assert (mark.verdict, mark.label, mark.note) == ("relabel", 2, "odd")
    assert shown(pages.get("/?marked=relabel").text) == [order[4]]
    assert len(shown(pages.get("/?marked=any").text)) == 2
    without = [i for page in (1, 2, 3) for i in shown(pages.get(f"/?marked=none&page={page}").text)]
    assert sorted([*without, 3, order[4]]) == list(range(ROWS))
    answer = post(pages, "/mark", index=order[4], note="very odd", **{"from": "example"})
    assert answer.headers["location"] == f"./example/{order[4]}", "a note alone stays"
    assert review.marks()[str(order[4])].verdict == "relabel"
    assert review.marks()[str(order[4])].note == "very odd"
    assert post(pages, "/undo").headers["location"] == f"./#e{order[4]}"
    assert review.marks()[str(order[4])].note == "odd"
    answer = post(pages, "/undo", **{"from": "example"})
    assert answer.headers["location"] == f"./example/{order[4]}"
    assert post(pages, "/undo", **{"from": "review"}).headers["location"] == "./review"
    assert review.marks() == {}
    assert post(pages, "/undo").headers["location"] == "./"


def test_undo_says_what_it_takes_back(run: Run, pages: TestClient) -> None:
    """A verdict that was taken away is a decision as well."""
    post(pages, "/mark", verdict="keep")
    post(pages, "/mark", verdict="")
    assert Review(run.folder).marks() == {}
    assert "last: cleared 3" in pages.get("/").text
    post(pages, "/undo")
    assert "last: keep 3" in pages.get("/").text


def test_damaged_marks_are_told(run: Run, pages: TestClient) -> None:
    Review(run.folder).path.write_bytes(b"no database at all, and longer than a header of one" * 9)
    answer = pages.get("/")
    assert answer.status_code == 400
    assert "review.sqlite cannot be read or written" in answer.text


def test_marks_go_elsewhere(run: Run, pages: TestClient) -> None:
    post(pages, "/mark", index=3, verdict="drop")
    post(pages, "/mark", index=5, verdict="relabel", label="1", note='a "note", with commas')
    post(pages, "/mark", index=7, verdict="keep")
    rows = list(csv.DictReader(io.StringIO(pages.get("/review.csv").text)))
    assert [(row["id"], row["verdict"], row["label"]) for row in rows] == [
        ("3", "drop", ""),
        ("5", "relabel", "1"),
        ("7", "keep", ""),
    ]
    assert rows[1]["note"] == 'a "note", with commas'
    labels = run.table(["label"])["label"].to_pylist()
    expected = [f"{i} {1 if i == 5 else label}" for i, label in enumerate(labels) if i != 3]
    assert pages.get("/review.txt").text.splitlines() == expected
    assert "3 examples marked" in pages.get("/review").text


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"token": "guessed"}, 403),
        ({"token": ""}, 403),
        ({"verdict": "destroy"}, 400),
        ({"verdict": "relabel"}, 400),
        ({"verdict": "relabel", "label": "nobody"}, 400),
        ({"verdict": "keep", "index": "1000000"}, 404),
        ({"verdict": "keep", "index": "x"}, 404),
        ({"verdict": "keep", "back": "by=nothing"}, 400),
        ({"verdict": "keep", "note": "x" * 70_000}, 413),
    ],
)
def test_changes_that_make_no_sense_change_nothing(
    run: Run, pages: TestClient, changes: dict[str, str], status: int
) -> None:
    assert post(pages, "/mark", **changes).status_code == status
    assert Review(run.folder).marks() == {}


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://elsewhere.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_pages_of_others_change_nothing(
    run: Run, pages: TestClient, headers: dict[str, str]
) -> None:
    for path in ("/mark", "/undo", "/inspect/3"):
        fields = {"token": "the-token", "index": "3", "verdict": "drop"}
        assert pages.post(path, data=fields, headers=headers).status_code == 403
    assert Review(run.folder).marks() == {}
    assert pages.get("/mark").status_code == 405, "an address alone changes nothing"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bound", "host", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1:8765", True),
        ("127.0.0.1", "localhost:9000", True),
        ("127.0.0.1", "[::1]:8765", True),
        ("127.0.0.1", "LOCALHOST", True),
        ("127.0.0.1", "elsewhere.example:8765", False),
        ("127.0.0.1", "127.0.0.1.elsewhere.example", False),
        ("127.0.0.1", "192.168.0.5:8765", False),
        ("127.0.0.1", "", False),
        ("127.0.0.1", "[bad", False),
        ("0.0.0.0", "192.168.0.5:8765", True),
        ("0.0.0.0", "elsewhere.example", False),
        ("box.local", "box.local:8765", True),
    ],
)
def test_the_host_has_to_be_this_machine(run: Run, bound: str, host: str, allowed: bool) -> None:
    """A name of somebody else's that points here would let their page read the answers."""
    for path in ("/", "/picture/1", "/static/look.css"):
        answer = client(run, bound).get(path, headers={"host": host})
        assert (answer.status_code == 200) == allowed, (bound, host)
        if not allowed:
            assert answer.status_code == 421
            assert "<" not in answer.text


def test_answers_forbid_what_pages_do_not_need(pages: TestClient) -> None:
    for path in ("/", "/nothing", "/static/view.js", "/picture/1"):
        headers = pages.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
    text = pages.get("/").text
    assert "the-token" in text
    assert not re.search(r"""(src|href|action)=["'](https?:)?//""", text), "nothing from elsewhere"
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", text), "no script in the page"


HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE rows; --",
    "{{ 7 * 7 }}",
    "../../etc/passwd",
    "%00",
    "a\nb",
    "\u202eevil",
    "\U0001f600",
    "a/b\\c?d=e&f#g",
)


def write_hostile(folder: Path) -> Run:
    """A run whose ids, class names and problems try to be something else."""
    inputs, _ = world.inputs_and_labels(len(HOSTILE))
    labels = np.arange(len(HOSTILE)) % world.CLASSES
    folder.mkdir(parents=True)
    world.save_checkpoints(folder / "c", 3)
    ids, names = np.array(HOSTILE), np.array(HOSTILE[: world.CLASSES])
    np.savez(folder / "d.npz", inputs=inputs, labels=labels, ids=ids, label_names=names)
    out = folder / "<b>run"
    return vog.score(world.build, folder / "c", str(folder / "d.npz"), out, quiet=True)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return client(write_hostile(tmp_path_factory.mktemp("hostile") / "data"))


@pytest.mark.slow
def test_names_are_text_and_never_markup(hostile: TestClient) -> None:
    pages = hostile
    for index in range(len(HOSTILE)):
        post(pages, "/mark", index=index, verdict="keep", note=HOSTILE[index])
    paths = [
        "/",
        "/classes",
        "/compare",
        "/review",
        *(f"/example/{i}" for i in range(len(HOSTILE))),
    ]
    for path in [*paths, "/?" + urlencode({"text": HOSTILE[0]}), "/?by=" + HOSTILE[1]]:
        text = pages.get(path).text
        assert "<script>alert" not in text
        assert "<img src=x" not in text
        assert "<b>run" not in text
    for index, name in enumerate(HOSTILE):
        heading = re.search(r"<h1>(.*?)</h1>", pages.get(f"/example/{index}").text, re.DOTALL)
        assert heading
        assert html.unescape(heading[1]) == name, "as it is, and templates in it are not run"
    rows = list(csv.DictReader(io.StringIO(pages.get("/review.csv").text)))
    assert {row["id"] for row in rows} == set(HOSTILE)
    answer = pages.get("/review.txt")
    assert answer.status_code == 400
    assert "has a line break" in answer.text


words = st.text(max_size=30) | st.sampled_from(
    [*HOSTILE, "vog@all", "vog@all:rank", "1e400", "-inf", "9" * 5000, ""]
)
queries = st.dictionaries(
    st.sampled_from(
        [
            "by",
            "score",
            "stage",
            "as",
            "order",
            "label",
            "predicted",
            "judged",
            "low",
            "high",
            "text",
            "marked",
            "problem",
            "also",
            "page",
            "x",
            "y",
            "size",
        ]
    )
    | st.text(max_size=5),
    words,
    max_size=5,
)
paths = st.sampled_from(
    [
        "/",
        "/classes",
        "/compare",
        "/compare.svg",
        "/review",
        "/review.csv",
        "/example/1",
        "/picture/1",
    ]
) | st.builds(
    lambda page, word, end: f"/{page}/{word}{end}",
    st.sampled_from(["example", "picture", "static", "map", "trajectory", "map/1", ""]),
    st.text(max_size=12)
    | st.sampled_from(
        [
            "../../etc/passwd",
            "..%2f..%2fetc%2fpasswd",
            "%2e%2e/%2e%2e/question.json",
            "0",
            "-1",
            "9" * 5000,
            "1/spread",
        ]
    ),
    st.sampled_from(["", ".png", ".svg"]),
)


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=paths, query=queries)
def test_no_address_breaks_the_viewer_or_leaves_the_run(
    hostile: TestClient, path: str, query: dict[str, str]
) -> None:
    """The client raises what an application does not catch: a bug is no 500 but an error."""
    pages = hostile
    answer = pages.get(quote(path, safe="/%"), params=query)
    assert answer.status_code in (200, 400, 404), (path, query, answer.text)
    assert b"root:" not in answer.content
    assert b"sha256" not in answer.content, "question.json is not served"
    if answer.headers["content-type"].startswith("text/html"):
        assert "<script>alert" not in answer.text


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(["/mark", "/undo", "/inspect/1"]),
    fields=st.dictionaries(
        st.sampled_from(["index", "verdict", "label", "note", "back", "from"])
        | st.text(max_size=5),
        words,
        max_size=5,
    ),
    token=st.booleans(),
)
def test_no_form_breaks_the_viewer(
    hostile: TestClient, path: str, fields: dict[str, str], token: bool
) -> None:
    pages = hostile
    answer = pages.post(path, data=fields | ({"token": "the-token"} if token else {}))
    assert answer.status_code in ((303, 400, 404, 413) if token else (403, 400, 413))
    if answer.status_code == 303:
        assert re.match(
            r"\.\.?/(review|example/\d+|)(\?[^#\r\n]*)?(#\w+)?$", answer.headers["location"]
        )


@pytest.mark.parametrize("body", [b"\xff\xfe", b"token=%ff", b"a" * 70_000, b"&" * 200])
def test_bodies_that_are_no_forms(pages: TestClient, body: bytes) -> None:
    assert pages.post("/mark", content=body).status_code in (400, 403, 413)


def test_links_out_of_the_folder_are_not_followed(checkpoints: Path, tmp_path: Path) -> None:
    """What a run lists may have been replaced since by a link to somewhere else."""
    photos = tmp_path / "photos"
    photos.mkdir()
    rng = np.random.default_rng(0)
    for row in range(4):
        pixels = rng.integers(0, 256, (80, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(photos / f"{row}.png")
    (tmp_path / "list.txt").write_text("".join(f"{row}.png {row}\n" for row in range(4)))
    run = vog.score(
        world.build,
        checkpoints,
        str(tmp_path / "list.txt"),
        tmp_path / "run",
        root=photos,
        transform=lambda image: np.asarray(image, np.float32)[:6, :6].transpose(2, 0, 1) / 255,
        quiet=True,
    )
    (tmp_path / "secret.png").write_bytes((photos / "1.png").read_bytes())
    (photos / "1.png").unlink()
    (photos / "1.png").symlink_to(tmp_path / "secret.png")
    (photos / "2.png").unlink()
    (photos / "2.png").symlink_to("0.png")
    pages = client(run)
    assert pages.get("/picture/0").status_code == 200
    assert pages.get("/picture/1").status_code == 404
    assert "leads out of" in pages.get("/example/1").text
    assert pages.get("/picture/2").status_code == 200, "a link within the folder is fine"


def test_work_waits_while_somebody_waits() -> None:
    """Done only in pauses; and whoever stops the server does not wait for the rest of it."""
    idle, done = IdleWorker(), threading.Semaphore(0)

    def work(may_go_on: Callable[[], bool]) -> None:
        while may_go_on():
            done.release()

    with idle.serving_request(), idle.serving_request(), idle.run_in_background(work):
        assert not done.acquire(timeout=0.3), "somebody waits"
    assert not done.acquire(timeout=0.2), "it has ended"
    with idle.run_in_background(work):
        assert done.acquire(timeout=5)
        with idle.serving_request():
            while done.acquire(timeout=0.3):  # what was under way
                pass
            assert not done.acquire(timeout=0.3)
        assert done.acquire(timeout=5)


@pytest.mark.slow
def test_derived_columns_are_prepared_in_pauses(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = threading.Event()
    known = RunTables.prepare

    def prepare(source: RunTables, may_go_on: Callable[[], bool]) -> None:
        known(source, may_go_on)
        prepared.set()

    monkeypatch.setattr(RunTables, "prepare", prepare)
    monkeypatch.setattr("vog.viewer.background._PAUSE", 0.001)
    with client(run) as pages:
        assert prepared.wait(60)
        monkeypatch.setattr(RunTables, "arrays", None)
        for derived in ("class", "robust"):
            assert pages.get(f"/?by=aum@late:{derived}").status_code == 200
    RunTables(run).prepare(lambda: False)


def test_pictures_are_shown_though_the_first_is_lost(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vog.viewer import app

    known = app.previewer

    def lossy(*given: Any, **more: Any) -> Callable[[int, str], Preview]:
        look = known(*given, **more)
        return lambda row, name: Preview(missing="it is lost") if row < 3 else look(row, name)

    monkeypatch.setattr(app, "previewer", lossy)
    text = client(run).get("/").text
    assert text.count('<img src="./picture/') == 48
    assert "There are no pictures" not in text


def test_two_columns_are_compared(run: Run, pages: TestClient) -> None:
    answer = pages.get("/compare?x=loss@all&y=confidence@all")
    assert answer.status_code == 200
    rho = spearman(run.hardness("loss@all"), run.hardness("confidence@all"))
    assert rho > 0.5, "of what they call hard: small confidence is hard, large loss is"
    assert f"<strong>{rho:.2f}</strong>" in answer.text
    chart = pages.get("/compare.svg?x=loss@all&y=confidence@all")
    assert chart.headers["content-type"] == "image/svg+xml"
    assert chart.text.startswith("<svg")
    assert pages.get("/compare?x=id").status_code == 400


def test_means_over_runs_are_sorted_by_their_hard_end(combined: Run) -> None:
    pages = client(combined)
    for query, by in (
        ("?by=vog_rank@all", "vog_rank@all"),
        ("?score=aum_z&stage=late", "aum_z@late"),
        ("?score=aum_z@late", "aum_z@late"),
        ("?by=aum_rank@early&order=hard", "aum_rank@early"),
    ):
        answer = pages.get(f"/{query}")
        assert shown(answer.text) == combined.top(48, by=by)["index"].to_pylist(), query
        assert f"120 examples by {by}, hardest first" in answer.text
    text = pages.get("/?by=vog_rank@all").text
    views = re.search(r'<optgroup label="means over the runs">(.*?)</optgroup>', text)
    assert views
    assert re.findall(r"<option[^>]*>(\w+)<", views[1]) == [
        "vog_rank",
        "vog_z",
        "aum_rank",
        "aum_z",
    ]
    assert "<option selected>vog_rank</option>" in views[1]
    error = combined.table(["vog_z_se@all"]).column(0).to_numpy()
    least_sure = pages.get("/?score=vog_z_se@all&order=easy").text
    assert "120 examples by vog_z_se@all, largest first" in least_sure
    assert shown(least_sure) == np.argsort(-error, kind="stable")[:48].tolist()
    assert text.count("<option>vog_z_se@all</option>") == 2, "to sort by, and beside another"
    assert text.count("<option>vog_z@all</option>") == 1, "beside another"


def test_means_over_runs_are_compared_and_their_classes_told(combined: Run) -> None:
    pages = client(combined)
    text = pages.get("/compare?x=vog_z@all&y=aum_z@all").text
    rho = spearman(combined.hardness("vog_z@all"), combined.hardness("aum_z@all"))
    assert f"<strong>{rho:.2f}</strong>" in text.replace("&minus;", "-")
    assert "<option selected>aum_z@all</option>" in text
    assert "by the mean of vog@late" in pages.get("/classes?by=vog_z@late").text, "not of z: all 0"


def test_an_example_has_its_means_with_standard_errors(combined: Run) -> None:
    text = client(combined).get("/example/7").text
    row = combined.table(["aum_z@all", "aum_z_se@all"]).slice(7, 1).to_pylist()[0]
    mean, error = (f"{value:.4g}".replace("-", "\u2212") for value in row.values())
    table = html.unescape(text).partition("Over the runs")[2]
    own = re.search(r'<th scope="row">aum_z</th>(.*?)</tr>', table, re.DOTALL)
    assert own
    assert re.sub(r"<[^>]+>", "", own[1]).strip().endswith(f"{mean} ± {error}")


def test_a_view_may_be_what_is_sorted_by_when_nobody_says(
    combined: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Run, "default_column", "vog_z@all")
    pages = client(combined)
    for page in ("/", "/classes", "/compare", "/example/3", "/classes?by=id"):
        assert pages.get(page).status_code == 200, page
    assert shown(pages.get("/").text) == combined.top(48)["index"].to_pylist()
    assert "mean of vog@all" in pages.get("/classes?by=id").text


class Seen:
    """What an inspection gives, by hand: the mean of the spread is 0.5."""

    steps = tuple(range(100, 800, 100))
    gradients = np.arange(28, dtype=np.float32).reshape(7, 2, 2)
    spread = np.array([[0.0, 0.5], [1, 0.5]], np.float32)
    vog = 0.5
    confidence = (0.25,) * 6 + (0.75,)
    margin = (-1.0,) * 6 + (1.0,)
    loss = (1.386,) * 6 + (0.288,)
    predictions = (1,) * 6 + (0,)
    differs = ("other weights at step 200",)
    tokens: tuple[str, ...] | None = None


@pytest.mark.slow
def test_an_example_is_inspected_when_it_is_asked_for(run: Run) -> None:
    asked: list[int] = []

    def inspect(index: int) -> Seen:
        asked.append(index)
        if index == 7:
            raise VogError("the checkpoint has moved")
        return Seen()

    pages = client(run, inspection=Inspection("mynet.py:build()", inspect))
    assert "This runs mynet.py:build()" in html.unescape(pages.get("/example/3").text)
    assert pages.get("/map/3/spread.png").status_code == 404
    assert asked == [], "nothing is computed by an address alone"
    answer = post(pages, "/inspect/3", back="by=aum%40all")
    assert answer.headers["location"] == "../example/3?by=aum%40all#checkpoints"
    text = pages.get("/example/3").text
    assert "other weights at step 200" in text
    assert "0.5" in text.partition("its mean")[2][:20]
    image = Image.open(io.BytesIO(pages.get("/map/3/spread.png").content))
    brightness = np.asarray(image.convert("L")).ravel()
    assert image.size == (2, 2)
    assert list(np.argsort(brightness, kind="stable")) == [0, 1, 3, 2], "the more, the brighter"
    for which, status in ((0, 200), (6, 200), (7, 404), ("x", 404), ("9" * 50, 404)):
        assert pages.get(f"/map/3/{which}.png").status_code == status
    assert pages.get("/trajectory/3.svg").text.startswith("<svg")
    answer = post(pages, "/inspect/7")
    assert answer.status_code == 400
    assert "the checkpoint has moved" in answer.text
    assert asked == [3, 7]


def test_what_cannot_be_inspected_says_why(run: Run) -> None:
    def never(index: int) -> Seen:
        raise AssertionError("there is nothing to ask")

    found = inspection(run, {}, never)
    assert found.missing is not None
    assert "model='file.py:function'" in found.missing
    pages = client(run, inspection=found)
    assert "Start the viewer with model=" in html.unescape(pages.get("/example/3").text)
    assert post(pages, "/inspect/3").status_code == 404
    named = inspection(run, {"model": "net.py:build", "model_args": {"classes": 4}}, never)
    assert named.runs == "net.py:build(classes=4) under 7 checkpoints"


@pytest.mark.slow
def test_only_the_latest_inspections_are_remembered(run: Run) -> None:
    pages = client(run, inspection=Inspection("", lambda index: Seen()))
    for index in range(40):
        post(pages, f"/inspect/{index}")
    there = [pages.get(f"/map/{index}/spread.png").status_code == 200 for index in range(40)]
    assert there == [False] * 8 + [True] * 32


def test_values_and_texts_are_shown_where_there_are_no_pictures(
    checkpoints: Path, tmp_path: Path
) -> None:
    inputs, labels = world.inputs_and_labels(10)
    texts = np.array([f"<i>sentence</i> {i}" for i in range(10)])
    np.savez(tmp_path / "t.npz", inputs=inputs, labels=labels, texts=texts)
    run = vog.score(world.build, checkpoints, str(tmp_path / "t.npz"), tmp_path / "r", quiet=True)
    pages = client(run)
    text = pages.get("/").text
    assert "&lt;i&gt;sentence&lt;/i&gt; 4" in text
    assert "<img" not in text
    assert ">&lt;i&gt;sentence&lt;/i&gt; 4</blockquote>" in pages.get("/example/4").text


def test_a_port_that_is_taken(run: Run) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ResultError, match=rf"port={port} cannot be listened on.*another port"):
            server.serve(run, port=port, show=False)
    with pytest.raises(ResultError, match="host='nowhere.invalid'"):
        server.serve(run, host="nowhere.invalid", port=0, show=False)


def test_the_command_says_where_it_is(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    words = f"score --model {Path(world.__file__)}:build --data data.npz --checkpoints c".split()
    assert cli(*words, "--out", "run", "--quiet")[0] == 0
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    opened: list[str] = []
    monkeypatch.setattr("threading.Timer.start", lambda self: opened.append(self.args[0]))
    code, out, err = cli("view", "run", "--port", "0")
    assert (code, err) == (0, "")
    address = re.search(r"run at (http://127.0.0.1:\d+/)", out)
    assert address
    assert opened == [address[1]]
    code, _, err = cli("view", "run", "--port", "0", "--host", "0.0.0.0", "--no-open")
    assert "without a password" in err
    assert len(opened) == 1
    code, _, err = cli("view", "nowhere")
    assert (code, "nowhere is missing" in err) == (1, True)


class Prefixed(HTMLParser):
    """The addresses on a page, each by the attribute that holds it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = ("href", "src", "action", "formaction")
        self.addresses += [value or "" for name, value in attrs if name in known]


BELOW = "/user/x/proxy/8000"


def behind_a_proxy(run: Run, **more: Any) -> TestClient:
    """Asks a viewer below a path, of which it knows nothing, as from another host."""
    viewer = application(run, Guard("127.0.0.1", "the-token", ("hub.example.org",)), **more)

    async def stripped(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"].startswith(f"{BELOW}/"), f"out of the viewer: {scope['path']}"
        path = scope["path"].removeprefix(BELOW)
        await viewer(scope | {"path": path, "raw_path": path.encode()}, receive, send)

    return TestClient(stripped, base_url="https://hub.example.org", follow_redirects=False)


def test_every_page_works_below_a_path(run: Run) -> None:
    def inspect(index: int) -> Seen:
        return Seen()

    pages = behind_a_proxy(run, inspection=Inspection("mynet.py:build()", inspect))
    shown_pages = ["", "classes", "compare", "review", "example/3", "nothing", "no/such/page"]
    waiting, seen = [f"{BELOW}/{page}" for page in shown_pages], set[str]()

    def move_on(answer: Any, path: str) -> None:
        assert answer.status_code == 303
        assert urljoin(path, answer.headers["location"]).startswith(f"{BELOW}/")
        waiting.append(urljoin(path, answer.headers["location"]))

    token = {"token": "the-token", "index": "3", "back": "by=aum%40all"}
    own = {"origin": "https://hub.example.org"}
    for path, fields in (
        ("mark", {"verdict": "keep"}),
        ("mark", {"verdict": "drop", "from": "example"}),
        ("inspect/3", {}),
        ("undo", {"from": "example"}),
        ("undo", {"from": "review"}),
        ("mark", {"verdict": "drop"}),
    ):
        answer = pages.post(f"{BELOW}/{path}", data=token | fields, headers=own)
        move_on(answer, f"{BELOW}/{path}")
    often = Counter[str]()
    while waiting:
        page = waiting.pop().partition("#")[0]
        kind = re.sub(r"\d+", "N", page.removeprefix(BELOW).partition("?")[0])
        if page in seen or often[kind] > 2:
            continue
        seen.add(page)
        often[kind] += 1
        answer = pages.get(page)
        missing = page.endswith(("nothing", "/no/such/page"))
        assert answer.status_code == (404 if missing else 200), page
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        addresses = [one for one in Prefixed(answer.text).addresses if one != "data:,"]
        assert len(addresses) > 8
        for one in addresses:
            there = urljoin(page, one)
            assert there.startswith(f"{BELOW}/"), (page, one)
            if not re.search("/(mark|undo|inspect)", there):
                waiting.insert(0, there)
    expected = {"/", "/classes", "/compare.svg", "/example/N", "/picture/N", "/static/view.js"}
    assert expected < often.keys()


def test_an_address_with_a_slash_too_many_does_not_lead_away(pages: TestClient) -> None:
    """What is redirected by its Host would leave the path of a proxy."""
    for path in ("/classes/", "/review.csv/", "/static/look.css/", "//classes"):
        answer = pages.get(HERE + path)
        assert (answer.status_code, "location" in answer.headers) == (404, False), path


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1:x", "127.0.0.1:", "127.0.0.1:8765:1", "a@127.0.0.1", "127.0.0.1/x"),
        *("127.0.0.1?x", "127.0.0.1#x", "127.0.0.1\\x", " 127.0.0.1 x", "[::1", "::1", "[::1]x"),
        *("localhost,localhost", "localhost:123456", "http://localhost", "loc\u00e4lhost", "%31"),
    ],
)
def test_a_host_of_an_odd_form_is_refused(run: Run, host: str) -> None:
    for path in ("/", "/nothing/", "/static/look.css"):
        answer = client(run).get(path, headers=[(b"host", host.encode())])
        assert answer.status_code == 421, host
        assert "name[:port]" in answer.text


def test_two_hosts_are_refused(run: Run) -> None:
    request = client(run).build_request("GET", "/")
    request.headers = Headers([("host", "127.0.0.1"), ("host", "127.0.0.1")])
    assert client(run).send(request).status_code == 421


def test_names_that_are_allowed(run: Run) -> None:
    allowed = request_guard.host_names(["Hub.Example.org", "10.0.0.7"])
    app = application(run, Guard("127.0.0.1", "the-token", allowed))
    pages = TestClient(app, base_url="http://hub.example.org", follow_redirects=False)
    assert pages.get("/").status_code == 200
    for host, status in (
        ("hub.example.org:8443", 200),
        ("10.0.0.7", 200),
        ("localhost:1", 200),
        ("example.org", 421),
        ("evil.hub.example.org", 421),
    ):
        assert pages.get("/", headers={"host": host}).status_code == status, host
    assert "allow_host example.org" in pages.get("/", headers={"host": "example.org"}).text
    for origin, host, status in (
        ("https://hub.example.org", "127.0.0.1:8765", 303),
        ("https://hub.example.org:8443", "hub.example.org", 303),
        ("https://evil.example.org", "hub.example.org", 403),
        ("https://evil.example.org", "127.0.0.1:8765", 403),
        ("https://[", "127.0.0.1:8765", 403),
        ("null", "hub.example.org", 403),
    ):
        fields = {"token": "the-token", "index": "3", "verdict": "keep"}
        headers = {"origin": origin, "host": host}
        assert pages.post("/mark", data=fields, headers=headers).status_code == status, origin
    fields = {"token": "another", "index": "3", "verdict": "keep"}
    assert pages.post("/mark", data=fields).status_code == 403, "the name alone is not enough"


@pytest.mark.parametrize("word", ["https://hub.example.org/", "a b", "", "hub/x", "*"])
def test_what_is_no_name_cannot_be_allowed(word: str) -> None:
    with pytest.raises(ResultError, match=r"allow_host .*: expected the name of a host alone"):
        request_guard.host_names([word])


def test_a_view_of_too_many_words_is_told(run: Run, pages: TestClient) -> None:
    for path in ("/mark", "/undo", "/inspect/3"):
        answer = post(pages, path, verdict="keep", back="&".join(["a=1"] * 60))
        assert answer.status_code in (400, 404), path
    assert Review(run.folder).marks() == {}


def test_rows_that_are_not_there_any_more_are_told(run: Run, tmp_path: Path) -> None:
    pages = client(run)
    assert pages.get("/compare").status_code == 200
    shutil.move(run.folder, tmp_path / "elsewhere")
    fresh = client(vog.open(tmp_path / "elsewhere"))
    assert fresh.get("/compare?x=loss@all&y=aum@all").status_code == 200
    for path in ("/compare?x=loss@all&y=aum@all", "/compare.svg?x=el2n@all", "/review.txt"):
        answer = pages.get(path)
        assert answer.status_code == 400, path
        assert "is missing" in answer.text or "cannot be read" in answer.text


def test_marks_for_a_spreadsheet(run: Run, pages: TestClient) -> None:
    post(pages, "/mark", verdict="keep", note="=1+1")
    plain, safe = pages.get("/review.csv").text, pages.get("/review.csv?safe=1").text
    assert [row["note"] for row in csv.DictReader(io.StringIO(plain))] == ["=1+1"]
    assert [row["note"] for row in csv.DictReader(io.StringIO(safe))] == ["'=1+1"]


def test_the_viewer_says_that_there_are_no_pictures(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    said: list[str] = []
    server.serve(run, port=0, show=False, warn=said.append)
    assert said == []
    server.serve(moved(run), port=0, show=False, warn=said.append)
    assert len(said) == 1
    assert "gone/data.npz" in said[0]
    assert "as root" in said[0]
