"""What is printed while something takes long."""

import io
import time

import pytest
from rich.console import Console

from vog import progress


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
    monkeypatch.setattr(progress, "Console", lambda stderr: console)
    with progress.announced("listing", quiet, after=0.1):
        time.sleep(seconds)
    time.sleep(0.15)
    assert stream.getvalue() == text
