"""Reading rows of an array to be shown."""

from collections.abc import Sequence
from typing import Any

from vog.data.protocol import StoredReader
from vog.errors import ResultError


def rows_reader(rows: Any, names: Sequence[str] | None, data: str, advice: str) -> StoredReader:
    """Return a reader of rows of an array; with names of features, of values by name.

    Args:
        rows: the array, or an object with a length and numbered rows, such as of h5py.
        names: the names of the features, if the rows have names.
        data: the data in words or by their path, for messages.
        advice: a sentence on how to give different data.
    """

    def read(index: int, name: str) -> Any:
        if index >= len(rows):
            raise ResultError(
                f"{data} has {len(rows)} rows, and {name!r} was row {index} of what was scored. "
                f"{advice}"
            )
        row = rows[index]
        return row if names is None else dict(zip(names, row.tolist(), strict=True))

    return read
