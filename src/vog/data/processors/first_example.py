"""What a function makes of the first example as stored, where examples are read."""

from collections.abc import Callable
from functools import partial
from typing import Any

from vog.data import worker_processes
from vog.data.examples import Examples, UnreadableError

_MOST_READ = 20


def of_first_stored(examples: Examples, function: Callable[[Any], Any]) -> Any:
    """Return the result of a function for the first readable example as stored.

    It is called where examples are read, such as in a worker process. None is returned if no
    example can be read, or the data do not return them as stored.
    """
    stored = getattr(examples.read, "stored", None)
    if stored is None:
        return None
    rows = [examples.row(position) for position in range(min(len(examples), _MOST_READ))]
    work = partial(_of_first, stored, function)
    if examples.read_by_workers:
        return next(iter(worker_processes.mapped(work, [rows], 1)))
    return work(rows)


def _of_first(stored: Callable[[int], Any], function: Callable[[Any], Any], rows: list[int]) -> Any:
    for row in rows:
        try:
            value = stored(row)
        except (OSError, UnreadableError):
            continue
        return function(value)
    return None
