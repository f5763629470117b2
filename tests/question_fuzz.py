"""Questions of another form: every command that reads a run answers, or refuses with words."""

import copy
import json
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient
from typer.testing import CliRunner

from vog.cli import app
from vog.errors import VogError
from vog.inspection.inspector import inspector
from vog.result import open_run
from vog.viewer import application
from vog.viewer.on_demand import inspection
from vog.viewer.request_guard import Guard

HERE = "http://127.0.0.1:8765"

VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 3, 10**30, 0.5, float("nan"), "", "x", "a:b", [], [1], ["x"], [None],
    {}, {"a": 1}, {"name": 3}, [[0, 1]], [{}],
)  # fmt: skip


def mutated(question: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return a question in which one to three places hold something else, or nothing."""
    draw, made = random.Random(seed), copy.deepcopy(question)
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(made))
        holder, key = draw.choice(places)
        kind = draw.random()
        if kind < 0.25:
            del holder[key]
        elif kind < 0.35 and isinstance(holder, dict):
            holder[f"{key}x"] = holder.pop(key)
        else:
            holder[key] = copy.deepcopy(draw.choice(VALUES))
    return made


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys:
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])


def commands(run: Path, other: Path, out: Path) -> dict[str, list[str]]:
    """Return what reads a run and is answered fast, by name."""
    here, there = str(run), str(other)
    return {
        "top": ["top", here],
        "top of a class": ["top", here, "--label", "cat"],
        "export": ["export", here, "--out", str(out / "x.csv")],
        "analyze": ["analyze", here],
        "compare": ["compare", here, there],
        "compare turned": ["compare", there, here],
        "combine": ["combine", here, there, "--out", str(out / "mean"), "--overwrite"],
        "suspects": ["suspects", here],
        "select": ["select", here, "--keep-hardest", "50%", "--out", str(out / "kept.txt")],
        "report": ["report", here, "--out", str(out / "x.html")],
    }


def _page_fault(folder: Path) -> str:
    """Return what a page of the viewer ended with that is no answer and no error of ours."""
    try:
        run = open_run(folder)
        made = inspection(run, {}, inspector(run))
        client = TestClient(
            application(run, Guard("127.0.0.1", "t"), inspection=made), base_url=HERE
        )
        for page in ("/", "/classes", "/example/0", "/compare", "/review", "/trajectory/0.svg"):
            client.get(page)
    except VogError:
        return ""
    except Exception as error:
        return f"viewer: {type(error).__name__}: {error}"
    return ""


def faults(folder: Path, work: Path, seeds: range, slow: Callable[[int], bool]) -> list[str]:
    """Return what ended in another way than with an answer or an error of ours.

    Args:
        folder: a run whose question is mutated in copies of it.
        work: where the copies are made.
        seeds: one a mutation.
        slow: for which of them the report is drawn too.
    """
    run, other = work / "run", work / "other"
    for copied in (run, other):
        shutil.copytree(folder, copied)
    question = json.loads((folder / "question.json").read_text())
    found: list[str] = []
    for seed in seeds:
        text = json.dumps(mutated(question, seed))
        (run / "question.json").write_text(text)
        if wrong := _page_fault(run):
            found.append(f"{seed} {wrong}: {text}")
        for name, words in commands(run, other, work).items():
            if name == "report" and not slow(seed):
                continue
            error = CliRunner().invoke(app, words).exception
            if error is not None and not isinstance(error, VogError | SystemExit):
                found.append(f"{seed} {name}: {type(error).__name__}: {error}: {text}")
    return found
