"""Rows of a table as people read them: an image, a text, or values by name."""

from collections.abc import Mapping
from typing import Any

from vog.data.examples import UnreadableError
from vog.data.protocol import Display, StoredReader
from vog.data.tables.column_kinds import column_kind
from vog.data.tables.column_roles import find_roles
from vog.data.tables.row_inputs import decoded_image
from vog.data.tables.table_rows import Rows
from vog.errors import DataError, ResultError
from vog.wording import option


def table_reader(rows: Rows, display: Display) -> StoredReader:
    """Return a reader of rows: of the picture, of the text, or of all values of the input.

    The reader raises ResultError if the table has no such row, or its picture cannot be decoded.
    """
    columns = _columns(rows, display)
    names = tuple(columns)

    def read(index: int, name: str) -> Any:
        if index >= len(rows):
            raise ResultError(
                f"{rows.name} has {len(rows):,} rows, and {name!r} was row {index} of what was "
                f"scored. Give the table that was scored as {option('data')}."
            )
        row = rows.row(index, names)
        try:
            return _shown(row, columns, rows)
        except UnreadableError as error:
            raise ResultError(f"the image of {name!r} cannot be read: {error}.") from error

    return read


def _columns(rows: Rows, display: Display) -> Mapping[str, str]:
    """Return the columns of the input, as far as they are known; else all that can be shown."""
    try:
        return {**find_roles(rows, display.keys, None).inputs}
    except DataError:
        kinds = {name: column_kind(rows, name) for name in rows.schema.names}
        pictures = [name for name, kind in kinds.items() if kind in ("image", "path")]
        return {pictures[0]: kinds[pictures[0]]} if pictures else {**kinds}


def _shown(row: Mapping[str, Any], columns: Mapping[str, str], rows: Rows) -> Any:
    name, kind = next(iter(columns.items()))
    if len(columns) == 1:
        if kind in ("image", "path"):
            return decoded_image(row[name], rows.folder)
        if kind in ("text", "array"):
            return "" if row[name] is None else row[name]
    if set(columns.values()) == {"number"}:
        return {column: float("nan") if row[column] is None else row[column] for column in columns}
    return "\n".join(f"{column}: {_short(row[column])}" for column in columns)


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else str(value)
