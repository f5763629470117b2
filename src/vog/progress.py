"""Progress bars on stderr, and durations as text."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
        return Text(
            f"{task.speed:,.{0 if task.speed > 10 else 1}f}/s" if task.speed else "", style="cyan"
        )


@contextmanager
def progress(
    description: str, total: int, completed: int = 0, quiet: bool = False
) -> Iterator[Callable[[int], None]]:
    """Show a progress bar while entered; yield the function that advances it by N examples.

    It is shown only on a terminal: in a log file a bar is noise.
    """
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    is_hidden = quiet or not console.is_terminal
    with Progress(*columns, console=console, disable=is_hidden, transient=True) as bar:
        task = bar.add_task(description, total=total, completed=completed)
        yield lambda count: bar.advance(task, count)


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
