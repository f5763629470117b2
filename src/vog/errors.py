"""The errors that this package raises on purpose, and helpers for their messages.

An error names the thing at fault as the user named it, says what was found and what was
expected, and ends with what to do. `except VogError` catches every mistake a user can
make, but no bug of this package: a bug stays a `TypeError` or `AssertionError` with a traceback.
"""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from vog.former_names import former_classes
from vog.wording import option


class VogError(Exception):
    """Base class. The command line prints it without a traceback and exits with 1."""


class FunctionError(VogError):
    """A function named by the user cannot be found, or failed when it was called."""


class CheckpointError(VogError):
    """A checkpoint cannot be found, ordered, read, or does not fit the model."""


class StageError(VogError):
    """The requested stages cannot be made from the checkpoints."""


class DataError(VogError):
    """The data cannot be found or read, or its labels make no sense for the model."""


class ModelError(VogError):
    """The model does not take floats and return one row of logits for each example."""


class ScoreError(VogError):
    """A score is unknown, or cannot be computed from the available data."""


class ResultError(VogError):
    """A run folder cannot be written or read, or lacks a requested column."""


class TooFewCheckpointsError(ScoreError):
    """A spread over training was requested for fewer than two checkpoints."""

    def __init__(self, count: int, quantity: str) -> None:
        super().__init__(
            f"{quantity}: the spread over training needs at least 2 checkpoints, found {count}. "
            f"Save the model more often, or drop the scores that need a spread."
        )


class DifferentQuestionError(ResultError):
    """A run folder was started with a different question than the current one."""

    def __init__(self, folder: Path, changes: Mapping[str, tuple[object, object]]) -> None:
        lines = [f"  {key}: was {old!r}, is now {new!r}" for key, (old, new) in changes.items()]
        first_lines, rest = lines[:8], len(lines) - 8
        if rest > 0:
            first_lines.append(f"  ... and {rest} more differences")
        super().__init__(
            f"{folder} answers another question, so its rows cannot be continued:\n"
            + "\n".join(first_lines)
            + f"\nPass a different {option('out')}, or {option('overwrite', True)} to start again."
        )


def first_few(items: Sequence[object], limit: int = 5) -> str:
    """Return the first items as text, such as `a, b, c and 7 more`."""
    text = ", ".join(str(item) for item in items[:limit])
    rest = len(items) - limit
    return f"{text} and {rest} more" if rest > 0 else text


def unknown(name: str, names: Iterable[str]) -> str:
    """Return the end of a message about an unknown name: a similar name, and the known names."""
    names = list(names)
    near = get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{hint} Known: {first_few(names, 40)}."


if not TYPE_CHECKING:  # for type checkers, a module with `__getattr__` would have every name
    __getattr__ = former_classes(__name__, OtherQuestionError=DifferentQuestionError)
