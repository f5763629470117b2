"""Some rows of a run as a table that prints its rows and converts to what people work with."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import pyarrow as pa

from vog.errors import ResultError

_PRINTED_ROWS, _PRINTED_LETTERS = 30, 40


@dataclass(frozen=True, repr=False)
class RowTable:
    """Rows as an Arrow table, whose methods and attributes it has too.

    `str` and a notebook show the rows; `to_pandas`, `to_polars` and `to_arrow` convert, and every
    library that reads the Arrow C stream interface takes it as it is.

    Attributes:
        arrow: the rows.
    """

    arrow: pa.Table

    def __getattr__(self, name: str) -> Any:
        """Return what the Arrow table has of that name."""
        return getattr(object.__getattribute__(self, "arrow"), name)

    def __getitem__(self, column: str | int | slice) -> Any:
        """Return a column by its name or number, or a slice of the rows."""
        return self.arrow[column]

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.arrow.num_rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as dicts."""
        return iter(self.arrow.to_pylist())

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """Return the rows for another library, without copying them."""
        return self.arrow.__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> pa.Table:
        """Return the Arrow table."""
        return self.arrow

    def to_pandas(self, **options: Any) -> Any:
        """Return a pandas DataFrame; `options` are those of `pyarrow.Table.to_pandas`.

        Raises:
            ResultError: pandas is not installed.
        """
        try:
            return self.arrow.to_pandas(**options)
        except ModuleNotFoundError as error:
            raise ResultError(f"{error.name} is not installed. Run: pip install pandas") from error

    def to_polars(self) -> Any:
        """Return a polars DataFrame.

        Raises:
            ResultError: polars is not installed.
        """
        try:
            import polars
        except ModuleNotFoundError as error:
            raise ResultError("polars is not installed. Run: pip install polars") from error
        return polars.from_arrow(self.arrow)

    def __repr__(self) -> str:
        """Return the rows, one a line, under the names of the columns."""
        names, lines = self._cells()
        widths = [max(map(len, column)) for column in zip(names, *lines, strict=True)]
        is_number = [_is_number(kind) for kind in self.arrow.schema.types]
        text = [
            "  ".join(
                cell.rjust(width) if right else cell.ljust(width)
                for cell, width, right in zip(line, widths, is_number, strict=True)
            ).rstrip()
            for line in (names, *lines)
        ]
        return "\n".join([*text, *self._rest()])

    def _repr_html_(self) -> str:
        names, lines = self._cells()
        head = "".join(f"<th>{escape(name)}</th>" for name in names)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in line)}</tr>" for line in lines
        )
        rest = "".join(f"<p>{line}</p>" for line in self._rest())
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{rest}"

    def _cells(self) -> tuple[list[str], list[list[str]]]:
        rows = self.arrow.slice(0, _PRINTED_ROWS).to_pylist()
        return self.arrow.column_names, [[_cell(value) for value in row.values()] for row in rows]

    def _rest(self) -> list[str]:
        count = len(self) - _PRINTED_ROWS
        return [f"... and {count:,} more rows"] if count > 0 else []


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    text = f"{value:.4g}" if isinstance(value, float) else str(value).replace("\n", " ")
    return text if len(text) <= _PRINTED_LETTERS else f"{text[: _PRINTED_LETTERS - 1]}\u2026"
