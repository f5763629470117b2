"""A file of a table: CSV, TSV, Parquet or Arrow; or several, by a glob or in a folder."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vog.data.file_patterns import files_of_pattern, is_pattern
from vog.data.kinds.table_source import TableSource
from vog.data.paths import existing_path, is_name
from vog.data.protocol import OpenOptions, Subset
from vog.data.tables.table_rows import SUFFIXES, Rows, open_files
from vog.data.tables.write_rows import write_rows
from vog.errors import DataError, ResultError, first_few
from vog.files.file_names import expanded
from vog.wording import option

# Files of one part of a data set, such as `train-00001-of-00004.parquet`.
_SHARD = re.compile(r"(.+?)-\d+(-of-\d+)?(-[0-9a-f]+)?\.parquet")
_LIST_LINE = re.compile(rb"[^,;\t]+?[ \t]+\d{1,9}\s*")


@dataclass(frozen=True)
class TableFile(TableSource):
    """One or more files with the same columns."""

    kind = "table"

    def opens(self, data: Any) -> bool:
        """Return whether the name is that of a table, or a folder has Parquet files alone."""
        if not is_name(data):
            return False
        path = expanded(data)
        if path.suffix.lower() in SUFFIXES:
            return not _is_list_file(path)
        return bool(_parquet_files(path))

    def place(self, data: Any) -> Path | None:
        """Return the path of the file, of the glob, or of the folder."""
        return Path(data)

    def is_there(self, place: Path) -> bool:
        """Return whether the file is there, or one that the pattern matches."""
        return is_there(place)

    def writes_like(self, place: Path, out: Path) -> bool:
        """Return whether the file has the ending of those of the table."""
        try:
            return _files(place)[0].suffix.lower() == out.suffix.lower()
        except DataError:
            return False

    def write_subset(self, place: Path, subset: Subset, out: Path) -> bool:
        """Write some rows with all columns."""
        try:
            rows = open_files(_files(place), str(place))
        except DataError as error:
            raise ResultError(str(error)) from error
        return write_rows(rows, subset, out)

    def rows(self, data: Any, options: OpenOptions) -> Rows:
        """Return the rows of the files, in the order of their names."""
        return open_files(_files(data), str(data), options.root)


def is_there(place: Path) -> bool:
    """Return whether a file or folder is there, or all files of a pattern."""
    try:
        return bool(files_of_pattern(place)) if is_pattern(place) else place.exists()
    except (DataError, OSError, ValueError):
        return False


def _is_list_file(path: Path) -> bool:
    """Return whether a file is a list: lines of `path label` with a space, whatever its ending."""
    try:
        with path.open("rb") as file:
            return _LIST_LINE.fullmatch(file.readline(10_000)) is not None
    except (OSError, ValueError):
        return False


def _parquet_files(folder: Path) -> list[Path]:
    """Return the Parquet files directly in a folder; none if it has folders beside them."""
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except (OSError, ValueError):
        return []
    if any(entry.is_dir() for entry in entries):
        return []
    return sorted(entry for entry in entries if entry.suffix.lower() == ".parquet")


def _files(data: str | Path) -> tuple[Path, ...]:
    if is_pattern(data):
        return files_of_pattern(data)
    path = existing_path(data)
    if not path.is_dir():
        return (path,)
    files = _parquet_files(path)
    splits = sorted({match[1] for file in files if (match := _SHARD.fullmatch(file.name))})
    if len(splits) > 1:
        raise DataError(
            f"{path} has files of several parts of a data set: {first_few(splits)}. Give one part "
            f"by a glob, such as {option('data', f'{path}/{splits[-1]}-*.parquet')}."
        )
    return tuple(files)
