"""A table in memory: a DataFrame of pandas or polars, or a table of pyarrow."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from vog.data.kinds.table_source import TableSource
from vog.data.protocol import OpenOptions
from vog.data.tables.table_rows import MemoryRows, Rows
from vog.errors import DataError
from vog.wording import option


@dataclass(frozen=True)
class DataFrame(TableSource):
    """An object with named columns. The libraries are not imported: their objects are known."""

    kind = "data frame"

    def opens(self, data: Any) -> bool:
        """Return whether the data are a frame or a table, judged by type."""
        return isinstance(data, pa.Table) or _library(data) in ("pandas", "polars")

    def rows(self, data: Any, options: OpenOptions) -> Rows:
        """Return the rows of the frame; an index with a name is a column."""
        return MemoryRows(_table(data), options.root or Path(), f"the {_type_name(data)}")


def _library(data: Any) -> str | None:
    """Return the library of a frame; None if the object is none."""
    return type(data).__module__.partition(".")[0] if type(data).__name__ == "DataFrame" else None


def _type_name(data: Any) -> str:
    return f"{type(data).__module__.partition('.')[0]} {type(data).__name__}"


def _table(data: Any) -> pa.Table:
    if isinstance(data, pa.Table):
        return data
    try:
        if _library(data) == "polars":
            return data.to_arrow()
        names = [name for name in data.index.names if name is not None]
        return pa.Table.from_pandas(data, preserve_index=bool(names))
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            f"the {_type_name(data)} has a column that Arrow cannot hold: {error}. Leave it out, "
            f"or give a Dataset as {option('data')}."
        ) from error
