"""From a row of a table to an input of a model."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from vog import pixels
from vog.data.examples import UnreadableError
from vog.data.tables.column_kinds import ColumnKind, is_category
from vog.data.tables.table_rows import Rows
from vog.errors import DataError
from vog.files.file_names import printable
from vog.wording import option

NUMBERS, CATEGORIES = "numbers", "categories"


@dataclass(frozen=True)
class RowInputs:
    """How the columns of a row make an input.

    Attributes:
        columns: the columns by name, with what each holds.
        codes: for each column of categories, the number of each of its values.
        folder: what paths to images are relative to.
    """

    columns: Mapping[str, ColumnKind]
    codes: Mapping[str, Mapping[Any, int]] = field(default_factory=dict)
    folder: Path = Path()

    @property
    def holds(self) -> frozenset[str]:
        """Return what the columns hold."""
        return frozenset(self.columns.values())

    @property
    def are_numbers(self) -> bool:
        """Return whether each column is a number, so that a row is a vector."""
        return self.holds == {"number"}

    def of_row(self, row: Mapping[str, Any]) -> Any:
        """Return the input: an image, a text, a vector, an array, or several by name.

        Numbers are one vector, in the order of the columns. With categories beside them they are
        `numbers`, and the codes of the categories are `categories`. Lists and texts keep the names
        of their columns, unless there is only one column.

        Raises:
            UnreadableError: a value is missing, or its image cannot be decoded.
        """
        for name in self.columns:
            if _is_missing(row[name], self.columns[name]):
                raise UnreadableError(f"column {printable(name)!r} has no value")
        numbers = [name for name, kind in self.columns.items() if kind == "number"]
        categories = [name for name in self.columns if name in self.codes]
        parts = {
            name: self._part(row[name], kind)
            for name, kind in self.columns.items()
            if name not in (*numbers, *categories)
        }
        if numbers:
            parts[NUMBERS] = np.array([row[name] for name in numbers], np.float32)
        if categories:
            codes = [self.codes[name][row[name]] for name in categories]
            parts[CATEGORIES] = np.array(codes, np.int64)
        return next(iter(parts.values())) if len(parts) == 1 else parts

    def _part(self, value: Any, kind: ColumnKind) -> Any:
        if kind in ("image", "path"):
            return decoded_image(value, self.folder)
        return np.array(value) if kind == "array" else value


def _is_missing(value: Any, kind: ColumnKind) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (kind in ("category", "path") and value == "")


def plan_inputs(rows: Rows, columns: Mapping[str, ColumnKind]) -> RowInputs:
    """Return how columns make an input; texts beside numbers that come back are categories.

    Raises:
        DataError: texts stand beside numbers and are no categories.
    """
    kinds = dict(columns)
    is_tabular = len(kinds) > 1 and {"number", "category"} & set(kinds.values())
    codes: dict[str, dict[Any, int]] = {}
    for name, kind in columns.items():
        if kind == "text" and is_tabular:
            if not is_category(rows.columns([name])[name]):
                raise DataError(
                    f"column {name!r} of {rows.name} holds texts that hardly come back, beside "
                    f"columns of numbers or categories; expected categories. Name the columns of "
                    f"the input as {option('input')}, or the column of ids as {option('id')}."
                )
            kinds[name] = "category"
        if kinds[name] == "category":
            codes[name] = _codes_of(rows.columns([name])[name])
    return RowInputs(kinds, codes, rows.folder)


def _codes_of(column: pa.ChunkedArray) -> dict[Any, int]:
    """Return the number of each value, in sorted order."""
    values = column.combine_chunks()
    if pa.types.is_dictionary(values.type):
        values = pc.cast(values, values.type.value_type)
    different = [value for value in values.unique().to_pylist() if value not in (None, "")]
    return {value: code for code, value in enumerate(sorted(different))}


def decoded_image(value: Any, folder: Path) -> Image.Image:
    """Return an image that is stored as bytes, as a path, or as a struct of both.

    Raises:
        UnreadableError: Pillow cannot decode it, or the value is empty.
    """
    content, path = value, None
    if isinstance(value, Mapping):
        content, path = value.get("bytes"), value.get("path")
    elif isinstance(value, str):
        content, path = None, value
    if content is None and not path:
        raise UnreadableError("it has neither the bytes nor the path of an image")
    try:
        if content is None:
            return pixels.open_file(folder / str(path), pixels.as_stored)
        with Image.open(io.BytesIO(content)) as image:
            return pixels.as_stored(image)
    except pixels.UNREADABLE as error:
        raise UnreadableError(printable(str(error))) from error
