"""Inputs of any source of data as stored, without a transform."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vog.data.examples import Examples, UnreadableError
from vog.data.sources import open_source
from vog.data.tensors import as_floats
from vog.errors import DataError


def open_as_stored(data: Any, root: Path | None) -> Examples:
    """Return the examples of a source with inputs of any type, without a transform.

    Raises:
        DataError: as for `open_source`.
    """
    return open_source(data, root, as_floats)


def value_of(examples: Examples, row: int) -> Any:
    """Return the input of one row as stored, without a transform.

    Raises:
        OSError: the dataset cannot decode it.
        UnreadableError: Pillow cannot decode it.
    """
    stored = getattr(examples.read, "stored", None)
    return examples.read(row)[0] if stored is None else stored(row)


def first_value(examples: Examples) -> Any:
    """Return the input of the first readable row.

    Raises:
        DataError: no row is readable.
    """
    for value in readable_values(examples, range(len(examples))):
        return value
    raise DataError("none of the examples can be read. Repair them, and plant again.")


def readable_values(examples: Examples, rows: Sequence[int]) -> Iterator[Any]:
    """Yield the inputs of the readable ones among some rows."""
    for row in rows:
        try:
            value = value_of(examples, row)
        except (OSError, UnreadableError):
            continue
        yield value
