"""Marks: what is in force after any decisions, and that none is lost whatever happens."""

import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runs import SIX_QUESTION
from vog.errors import ResultError
from vog.result import Run, parts
from vog.result.marks import FILE, VERDICTS, Mark, Review

# Marks as fast as it can, from a number on, and says each when the call has returned.
MARKS = """
import sys
from pathlib import Path
from vog.result.marks import Review
review, name, start, stop = Review(Path(sys.argv[1])), sys.argv[2], *map(int, sys.argv[3:])
print("ready", flush=True)
sys.stdin.readline()
for number in range(start, stop):
    review.mark(f"{name}{number}", "relabel", number, "a note" * 100)
    print(number, flush=True)
"""


def marking(folder: Path, name: str, start: int, stop: int) -> "subprocess.Popen[str]":
    """A process that marks these numbers once a line is written to it."""
    words = [sys.executable, "-c", MARKS, str(folder), name, str(start), str(stop)]
    process = subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")


def verdicts(review: Review) -> dict[str, str | None]:
    return {id: one.verdict for id, one in review.marks().items()}


def test_a_mark_is_what_was_decided(tmp_path: Path) -> None:
    review = Review(tmp_path)
    made = review.mark("a/1.jpg", "relabel", 7, 'it\'s a "magpie"\n<script>')
    assert made == Mark(1, made.at, "a/1.jpg", "relabel", 7, 'it\'s a "magpie"\n<script>')
    assert review.marks() == {"a/1.jpg": made}
    assert review.path == tmp_path / "review.sqlite"
    at = datetime.fromisoformat(made.at)
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)


def test_the_last_decision_about_an_example_holds(tmp_path: Path) -> None:
    review = Review(tmp_path)
    for id, verdict in (("a", "keep"), ("b", "drop"), ("c", "keep"), ("a", "drop")):
        review.mark(id, verdict)
    assert list(verdicts(review).items()) == [("b", "drop"), ("c", "keep"), ("a", "drop")]
    assert [one.number for one in review.marks().values()] == [2, 3, 4], "the latest is the last"


def test_a_verdict_is_taken_away_and_a_note_stays_alone(tmp_path: Path) -> None:
    review = Review(tmp_path)
    review.mark("a", "drop", note="blurred")
    review.mark("a", None, note="blurred")
    assert [(one.verdict, one.note) for one in review.marks().values()] == [(None, "blurred")]
    review.mark("a", None)
    assert review.marks() == {}
    assert review.undo() is not None
    assert review.marks()["a"].note == "blurred"


def test_relabel_needs_a_class_and_the_others_keep_none(tmp_path: Path) -> None:
    review = Review(tmp_path)
    with pytest.raises(ResultError, match="which class is the right one"):
        review.mark("a", "relabel")
    with pytest.raises(ResultError, match="'dorp' is no verdict. Expected keep, relabel, drop."):
        review.mark("a", "dorp")
    assert not review.path.exists(), "what is refused leaves nothing behind"
    assert review.mark("a", "relabel", 0).label == 0
    for verdict in ("keep", "drop", None):
        assert review.mark("a", verdict, 3, "x").label is None


def test_decisions_are_taken_back_from_the_latest_on(tmp_path: Path) -> None:
    """Each time by another reader of the file, as after a restart."""
    decisions = [("a", "keep"), ("b", "drop"), ("a", "drop"), ("a", None)]
    before: list[dict[str, str | None]] = []
    made: list[Mark] = []
    for id, verdict in decisions:
        before.append(verdicts(Review(tmp_path)))
        made.append(Review(tmp_path).mark(id, verdict))
    while made:
        assert Review(tmp_path).undo() == made.pop()
        assert verdicts(Review(tmp_path)) == before.pop()
    assert Review(tmp_path).undo() is None
    again = Review(tmp_path).mark("c", "keep")
    assert again.number == 5, "a number is not given twice"
    assert Review(tmp_path).undo() == again


def test_nothing_is_written_before_the_first_mark(run: Run) -> None:
    files = sorted(run.folder.iterdir())
    review = Review(run.folder)
    assert (review.marks(), review.undo()) == ({}, None)
    assert sorted(run.folder.iterdir()) == files
    review.mark("<img 0>.jpg", "keep")
    assert sorted(run.folder.iterdir()) == sorted([*files, run.folder / FILE])


def test_scoring_again_leaves_the_marks(run: Run) -> None:
    made = Review(run.folder).mark("<img 0>.jpg", "drop")
    with parts.writing_session(run.folder, SIX_QUESTION, overwrite=True):
        assert parts.list_parts(run.folder) == []
    assert Review(run.folder).marks() == {"<img 0>.jpg": made}


ACTIONS = st.one_of(
    st.none(),  # take the latest back
    st.tuples(
        st.sampled_from(["a", "b", "", "it's", "a\nb", "\0", "é", "'; DROP TABLE decisions; --"]),
        st.sampled_from([*VERDICTS, None]),
        st.integers(0, 2**40),
        st.sampled_from(["", "seen", "'); --"]),
    ),
)


@settings(max_examples=30)
@given(st.lists(ACTIONS, max_size=15))
def test_any_decisions_end_as_those_of_a_list(
    actions: list[tuple[str, str | None, int, str] | None],
) -> None:
    kept: list[Mark] = []
    with tempfile.TemporaryDirectory() as folder:
        for action in actions:
            if action is None:
                assert Review(Path(folder)).undo() == (kept.pop() if kept else None)
            else:
                made = Review(Path(folder)).mark(*action)
                id, verdict, label, note = action
                expected = (id, verdict, label if verdict == "relabel" else None, note)
                assert (made.id, made.verdict, made.label, made.note) == expected
                kept.append(made)
            last = {one.id: one for one in kept}
            shown = sorted(last.values(), key=lambda one: one.number)
            shown = [one for one in shown if one.verdict is not None or one.note]
            assert list(Review(Path(folder)).marks().values()) == shown


@pytest.mark.slow
def test_what_was_said_to_be_marked_survives_kill_9(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    moments, said = random.Random(seed), 0
    for _ in range(6):
        with marking(tmp_path, "e", said, 10**6) as process:
            assert process.stdout is not None
            go(process)
            lines = [process.stdout.readline() for _ in range(moments.randrange(1, 30))]
            time.sleep(moments.uniform(0, 0.02))
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            lines += process.stdout.read().splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]
        assert whole == [f"{number}\n" for number in range(said, said + len(whole))]
        said += len(whole)
        found = Review(tmp_path).marks()
        assert {f"e{number}" for number in range(said)} <= found.keys(), f"seed {seed}"
        assert len(found) <= said + 1, "one more may be on disk before it is said"
        for id, one in found.items():
            assert (one.verdict, f"e{one.label}", one.note) == ("relabel", id, "a note" * 100)
    assert said >= 6


def test_two_processes_mark_at_once(tmp_path: Path) -> None:
    """Also the file is made by both at once."""
    with marking(tmp_path, "a", 0, 40) as one, marking(tmp_path, "b", 0, 40) as other:
        go(one)
        go(other)
        assert (one.wait(120), other.wait(120)) == (0, 0)
    found = Review(tmp_path).marks()
    assert found.keys() == {f"{name}{number}" for name in "ab" for number in range(40)}
    assert [one.number for one in found.values()] == list(range(1, 81))


def test_a_short_lock_is_waited_for(tmp_path: Path) -> None:
    Review(tmp_path).mark("a", "keep")
    with closing(sqlite3.connect(tmp_path / FILE, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        release = threading.Timer(0.5, other.rollback)
        release.start()
        assert Review(tmp_path).mark("b", "keep").number == 2
        release.join()


def read_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that may not be written; for root there are none, so SQLite is asked to refuse."""
    connect = sqlite3.connect

    def reading(path: Path, **how: Any) -> sqlite3.Connection:
        return connect(f"{path.as_uri()}?mode=ro", uri=True, **how)

    monkeypatch.setattr(sqlite3, "connect", reading)


def test_marks_that_may_not_be_written_are_still_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = Review(tmp_path)
    made = review.mark("a", "drop")
    read_only(monkeypatch)
    assert review.marks() == {"a": made}
    for write in (lambda: review.mark("b", "keep"), review.undo):
        with pytest.raises(ResultError, match=r"written: attempt to write a readonly .*writable"):
            write()
    assert review.marks() == {"a": made}


def as_text(path: Path) -> None:
    path.write_text("id,verdict\n" * 500)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:3000])


def of_another_program(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE decisions (taken INTEGER)")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [as_text, cut, of_another_program, a_folder])
def test_a_damaged_file_is_named(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    review = Review(tmp_path)
    review.mark("a", "keep")
    damage(review.path)
    said = rf"{FILE} cannot be read or written: .+ move a damaged file away\."
    for ask in (review.marks, review.undo, lambda: review.mark("b", "keep")):
        with pytest.raises(ResultError, match=said):
            ask()
    with pytest.raises(ResultError, match="nowhere/review.sqlite cannot be read or written"):
        Review(tmp_path / "nowhere").mark("a", "keep")
