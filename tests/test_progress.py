"""Progress in a log: when a line is written, and what it says; and what takes long."""

import io
import time

import pytest
from rich.console import Console

from vog.progress import announced, progress


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines_of(
    capsys: pytest.CaptureFixture[str],
    clock: Clock,
    steps: int,
    seconds: float,
    quiet: bool = False,
) -> list[str]:
    with progress("scoring", 1000, quiet=quiet, clock=clock) as advance:
        for _ in range(steps):
            clock.now += seconds
            advance(1000 // steps)
    return capsys.readouterr().err.splitlines()


def test_a_log_has_a_line_each_tenth(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    lines = lines_of(capsys, clock, 100, 1)
    assert lines[0] == "scoring: 100 of 1,000 (10%), 10.0/s, 1.5 min left"
    assert lines[-1] == "scoring: 900 of 1,000 (90%), 10.0/s, 10.0 s left"
    assert len(lines) == 9


def test_a_slow_tenth_has_a_line_a_minute(capsys: pytest.CaptureFixture[str], clock: Clock) -> None:
    lines = lines_of(capsys, clock, 100, 30)
    assert lines[:2] == [
        "scoring: 20 of 1,000 (2%), 0.3/s, 49.0 min left",
        "scoring: 40 of 1,000 (4%), 0.3/s, 48.0 min left",
    ]
    assert len(lines) == 49


def test_short_or_quiet_work_writes_nothing(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    assert lines_of(capsys, clock, 10, 0.4) == []
    assert lines_of(capsys, clock, 100, 1, quiet=True) == []


def test_the_rate_counts_what_this_process_did(
    capsys: pytest.CaptureFixture[str], clock: Clock
) -> None:
    with progress("scoring", 1000, 500, clock=clock) as advance:
        clock.now = 10
        advance(100)
    assert capsys.readouterr().err == "scoring: 600 of 1,000 (60%), 10.0/s, 40.0 s left\n"


@pytest.mark.parametrize(
    ("is_terminal", "quiet", "seconds", "text"),
    [
        (True, False, 0.2, "listing ...\n"),
        (True, False, 0, ""),
        (True, True, 0.2, ""),
        (False, False, 0.2, ""),
    ],
)
def test_what_takes_long_is_announced_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, quiet: bool, seconds: float, text: str
) -> None:
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=is_terminal, color_system=None)
    monkeypatch.setattr("vog.progress.Console", lambda stderr: console)
    with announced("listing", quiet, after=0.1):
        time.sleep(seconds)
    time.sleep(0.15)
    assert stream.getvalue() == text
