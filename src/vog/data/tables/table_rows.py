"""Rows of a table, read by number: of a table in memory, and of files by parts."""

import csv
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet

from vog.data import images
from vog.errors import DataError

# Row groups of Parquet files that a process keeps decoded.
_KEPT_GROUPS = 4
UNREADABLE = (pa.ArrowException, OSError, ValueError, csv.Error)
_DELIMITERS = {".tsv": "\t", ".csv": ","}
# Of a file whose first row is a path to an image, and so no names.
_LIST_COLUMNS = ["path", "label"]
SUFFIXES = frozenset((*_DELIMITERS, ".parquet", ".arrow", ".feather", ".ipc"))


@runtime_checkable
class Rows(Protocol):
    """Rows that are read by number. They can be sent to another process.

    Attributes:
        folder: what paths in the table are relative to.
        stamps: sizes and times of files, for a digest; the names of objects have none.
        name: the table in words, for messages.
    """

    folder: Path
    stamps: tuple[int, ...]
    name: str

    @property
    def schema(self) -> pa.Schema:
        """Return names and types of the columns."""
        ...

    def __len__(self) -> int: ...

    def columns(self, names: list[str]) -> pa.Table:
        """Return whole columns."""
        ...

    def row(self, index: int, names: tuple[str, ...]) -> dict[str, Any]:
        """Return some values of a row, as Python has them."""
        ...


@dataclass(frozen=True)
class MemoryRows(Rows):
    """A table in memory."""

    table: pa.Table = field(repr=False)
    folder: Path
    name: str
    stamps: tuple[int, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """Return names and types of the columns."""
        return self.table.schema

    def __len__(self) -> int:
        return self.table.num_rows

    def columns(self, names: list[str]) -> pa.Table:
        """Return whole columns."""
        return self.table.select(names)

    def row(self, index: int, names: tuple[str, ...]) -> dict[str, Any]:
        """Return some values of a row."""
        return _row_of(self.table, index, names)


@dataclass(frozen=True)
class FileRows(Rows):
    """Files of CSV, of Arrow, or of Parquet, one after the other; each process opens them itself.

    Parquet is read by row group, Arrow through a memory map; CSV is held in memory.
    """

    paths: tuple[Path, ...]
    folder: Path
    name: str
    stamps: tuple[int, ...]

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        """The number of rows before each part, and of all rows."""
        counts = [count for path in self.paths for count in _part_sizes(path, self.stamps)]
        return tuple(accumulate(counts, initial=0))

    @cached_property
    def _parts(self) -> tuple[tuple[Path, int], ...]:
        return tuple(
            (path, part)
            for path in self.paths
            for part in range(len(_part_sizes(path, self.stamps)))
        )

    @property
    def schema(self) -> pa.Schema:
        """Return names and types of the columns of the first file."""
        return schema_of(self.paths[0], self.stamps)

    def __len__(self) -> int:
        return self._starts[-1]

    @property
    def has_header(self) -> bool:
        """Return whether a file of texts begins with the names of its columns."""
        return self.schema.names != _LIST_COLUMNS or not _is_list_of_images(self.paths[0])

    def parts(self) -> Iterator[tuple[int, pa.Table]]:
        """Yield the number of the first row of each part, and its rows with all columns."""
        names = tuple(self.schema.names)
        for start, (path, part) in zip(self._starts, self._parts, strict=False):
            yield start, _part_of(path, part, names, self.stamps)

    def columns(self, names: list[str]) -> pa.Table:
        """Return whole columns."""
        tables = [_columns_of(path, tuple(names), self.stamps) for path in self.paths]
        return pa.concat_tables(tables, promote_options="permissive")

    def row(self, index: int, names: tuple[str, ...]) -> dict[str, Any]:
        """Return some values of a row."""
        part = bisect_right(self._starts, index) - 1
        path, number = self._parts[part]
        table = _part_of(path, number, names, self.stamps)
        return _row_of(table, index - self._starts[part], names)


def open_files(paths: tuple[Path, ...], name: str, folder: Path | None = None) -> FileRows:
    """Return the rows of files of a table, which are not read yet, but looked at.

    Args:
        paths: the files, all with the same columns.
        name: the table in words, for messages.
        folder: what paths in the table are relative to; None for the folder of the first file.

    Raises:
        DataError: a file cannot be read, or has different columns.
    """
    stats = []
    for path in paths:
        try:
            stat = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from error
        stats += [stat.st_size, stat.st_mtime_ns]
    rows = FileRows(paths, folder or paths[0].parent, name, tuple(stats))
    for path in paths:
        try:
            columns = schema_of(path, rows.stamps).names
        except UNREADABLE as error:
            raise DataError(
                f"{path} cannot be read as {path.suffix[1:]}: {_one_line(error)}. Expected a table "
                f"with named columns; write the file again."
            ) from error
        if len(set(columns)) < len(columns):
            raise DataError(f"{path} has several columns of the same name: {', '.join(columns)}.")
        if sorted(columns) != sorted(rows.schema.names):
            raise DataError(
                f"{path} has the columns {', '.join(columns)}, and {paths[0]} has "
                f"{', '.join(rows.schema.names)}; expected the same in all. Give files of one data "
                f"set."
            )
    return rows


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")


def _row_of(table: pa.Table, index: int, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: table.column(name)[index].as_py() for name in names}


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"


@lru_cache(maxsize=64)
def _parquet_file(path: Path, stamps: tuple[int, ...]) -> pyarrow.parquet.ParquetFile:
    return pyarrow.parquet.ParquetFile(path, memory_map=True)


@lru_cache(maxsize=64)
def _whole_table(path: Path, stamps: tuple[int, ...]) -> pa.Table:
    """Return a table of CSV or Arrow; the latter is mapped and not copied."""
    if path.suffix.lower() in _DELIMITERS:
        return _read_csv(path)
    source = pa.memory_map(str(path))
    try:
        return pa.ipc.open_file(source).read_all()
    except pa.ArrowInvalid:
        return pa.ipc.open_stream(pa.memory_map(str(path))).read_all()


def _read_csv(path: Path) -> pa.Table:
    parse = pyarrow.csv.ParseOptions(
        delimiter=_DELIMITERS[path.suffix.lower()], newlines_in_values=True
    )
    convert = pyarrow.csv.ConvertOptions(strings_can_be_null=False)
    names = _LIST_COLUMNS if _is_list_of_images(path) else []
    read = pyarrow.csv.ReadOptions(column_names=names)
    return pyarrow.csv.read_csv(path, read, parse, convert)


def _is_list_of_images(path: Path) -> bool:
    """Return whether the first row of a file is a path and a label, and not names of columns."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        cells = next(csv.reader(file, delimiter=_DELIMITERS[path.suffix.lower()]), [])
    return len(cells) == 2 and Path(cells[0]).suffix.lower() in images.SUFFIXES


def schema_of(path: Path, stamps: tuple[int, ...]) -> pa.Schema:
    """Return names and types of the columns of a file."""
    if _is_parquet(path):
        return _parquet_file(path, stamps).schema_arrow
    return _whole_table(path, stamps).schema


def _part_sizes(path: Path, stamps: tuple[int, ...]) -> list[int]:
    if not _is_parquet(path):
        return [_whole_table(path, stamps).num_rows]
    metadata = _parquet_file(path, stamps).metadata
    return [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]


def _columns_of(path: Path, names: tuple[str, ...], stamps: tuple[int, ...]) -> pa.Table:
    if _is_parquet(path):
        return _parquet_file(path, stamps).read(columns=list(names))
    return _whole_table(path, stamps).select(list(names))


def _part_of(path: Path, part: int, names: tuple[str, ...], stamps: tuple[int, ...]) -> pa.Table:
    if _is_parquet(path):
        return _row_group(path, part, names, stamps)
    return _whole_table(path, stamps)


@lru_cache(maxsize=_KEPT_GROUPS)
def _row_group(path: Path, group: int, names: tuple[str, ...], stamps: tuple[int, ...]) -> pa.Table:
    return _parquet_file(path, stamps).read_row_group(group, columns=list(names))
