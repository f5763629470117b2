"""How messages name a setting and a command: as Python has them, or as the command line does.

The same mistake can be made from both. A message for somebody who wrote Python says
`batch_size=0`, one for somebody who typed a command says `--batch-size 0`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# The same switch has the same help in all commands that have it.
SAFE_CSV_HELP = (
    "In csv, put ' before texts that begin with =, +, - or @, which spreadsheets run as formulas."
)

_FLAGS = {"model_args": "--model-arg", "form": "--format"}
_WITHOUT_VALUE = object()


@dataclass
class _Caller:
    """Who called: of the whole process, so that its threads word their messages alike."""

    typed_a_command: bool = False


_CALLER = _Caller()


@contextmanager
def for_command_line() -> Iterator[None]:
    """Word the messages that are made inside for somebody who typed a command."""
    before = _CALLER.typed_a_command
    _CALLER.typed_a_command = True
    try:
        yield
    finally:
        _CALLER.typed_a_command = before


def option(name: str, value: object = _WITHOUT_VALUE, flag: str | None = None) -> str:
    """Return how the caller writes a setting, with its value where one is given.

    Args:
        name: as Python has it, such as `batch_size`.
        value: what it is set to. A switch of the command line has no value: True is `--exif`,
            False `--no-exif`.
        flag: as the command line has it, where a command has a flag of its own, such as `--as`.

    Returns:
        `batch_size=0` or `batch_size` for Python, `--batch-size 0` or `--batch-size` for the
        command line.
    """
    if not _CALLER.typed_a_command:
        return name if value is _WITHOUT_VALUE else f"{name}={value!r}"
    flag = flag or _FLAGS.get(name, f"--{name.replace('_', '-')}")
    if value is _WITHOUT_VALUE or value is True:
        return flag
    return f"--no-{flag[2:]}" if value is False else f"{flag} {value}"


def command(name: str) -> str:
    """Return how the caller calls a command, such as `vog score` or `vog.score`."""
    return f"`vog {name}`" if _CALLER.typed_a_command else f"`vog.{name}`"


def same_again(name: str) -> str:
    """Return the advice to call a command once more, which continues what is not finished."""
    if _CALLER.typed_a_command:
        return f"Run the same {command(name)} command again"
    return f"Call {command(name)} with the same arguments again"


def described_option(name: str, value: object) -> str:
    """Return a setting as the caller wrote it; a value that is long to print as its type."""
    if value is None or isinstance(value, str | int | float | Path):
        return option(name, value)
    kind = type(value).__name__
    return f"{option(name)} is {'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"
