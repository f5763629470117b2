"""Progress on stderr: a bar on a terminal, lines in a log; and durations as text."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Timer

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        """Return the number of examples, or of other units, a second."""
        return Text(rate_text(task.speed) if task.speed else "", style="cyan")


# In a log: a line a minute, and one each tenth of the work, but not several in a few seconds, so
# that short work writes nothing.
_MOST_SECONDS, _LEAST_SECONDS, _LINES = 60, 5, 10


@dataclass
class _LogLines:
    """Writes how far the work is as lines, for a log file or a terminal that is none.

    Attributes:
        write: takes a line.
        clock: returns seconds.
    """

    description: str
    total: int
    completed: int
    write: Callable[[str], object]
    clock: Callable[[], float]
    _start: float = field(init=False)
    _first: int = field(init=False)
    _last_time: float = field(init=False)
    _last_count: int = field(init=False)

    def __post_init__(self) -> None:
        self._start = self._last_time = self.clock()
        self._first = self._last_count = self.completed

    def advance(self, count: int) -> None:
        """Count finished units, and write a line if one is due."""
        self.completed += count
        now = self.clock()
        seconds, units = now - self._last_time, self.completed - self._last_count
        is_tenth = units * _LINES >= self.total and seconds >= _LEAST_SECONDS
        is_due = is_tenth or (units and seconds >= _MOST_SECONDS)
        if is_due and self.completed < self.total:
            self.write(self._line(now - self._start))
            self._last_time, self._last_count = now, self.completed

    def _line(self, seconds: float) -> str:
        rate = (self.completed - self._first) / seconds
        left = duration((self.total - self.completed) / rate)
        return (
            f"{self.description}: {self.completed:,} of {self.total:,} "
            f"({self.completed / self.total:.0%}), {rate_text(rate)}, {left} left"
        )


@contextmanager
def progress(
    description: str,
    total: int,
    completed: int = 0,
    quiet: bool = False,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Callable[[int], None]]:
    """Show progress while entered; yield the function that advances it by N examples.

    On a terminal it is a bar. In a log, where a bar is noise, it is a line a minute and one each
    tenth of the work, if that takes more than some seconds.
    """
    console = Console(stderr=True)
    if not quiet and not console.is_terminal:
        yield _LogLines(description, total, completed, _write_line, clock).advance
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=quiet, transient=True) as bar:
        task = bar.add_task(description, total=total, completed=completed)
        yield lambda count: bar.advance(task, count)


def _write_line(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def rate_text(per_second: float) -> str:
    """Return a number of examples, or of other units, a second as text."""
    return f"{per_second:,.{0 if per_second > 10 else 1}f}/s"


@contextmanager
def announced(action: str, quiet: bool = False, after: float = 1.0) -> Iterator[None]:
    """Say on a terminal what is done, if it takes longer than some seconds.

    Args:
        action: what is done, such as "opening the data".
        quiet: say nothing.
        after: the seconds.
    """
    console = Console(stderr=True)
    timer = Timer(after, lambda: console.print(f"{action} ...", style="dim", highlight=False))
    if console.is_terminal and not quiet:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def duration(seconds: float) -> str:
    """Return a duration as text, such as `12.3 s`, `4.5 min` or `6.7 h`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.1f} min" if minutes < 60 else f"{minutes / 60:.1f} h"
