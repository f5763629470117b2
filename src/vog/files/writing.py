"""Writing of files whole or not at all, and of JSON and csv that every program can read."""

import csv
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Shaped

from vog.errors import ResultError
from vog.files.leftovers import remove_leftovers, temporary_name
from vog.files.output_paths import refuse_address, write_failure
from vog.wording import option

# Characters that start a formula in a spreadsheet, also in the wide forms of East Asia.
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def write_whole(
    path: Path,
    write: Callable[[Path], object],
    durable: bool = True,
    workplace: Path | None = None,
) -> None:
    """Let `write` fill a new file beside `path`, then rename it to `path`.

    A kill at any moment leaves the old file or the new one, never half of one. Unfinished files
    that killed processes left beside it are removed.

    Args:
        path: the file.
        write: fills the file whose path it gets; that file exists and is empty.
        durable: survive a power failure too, which costs milliseconds. To write millions of
            files, pass False and call `flush_disks` once for many.
        workplace: a folder on the same disk for the unfinished file.

    Raises:
        ResultError: the disk is full, or the folder is not writable; nothing is changed.
    """
    refuse_address(path)
    try:
        path = Path(os.path.realpath(path))  # a link stays a link
        if path.exists() and not path.is_file():
            raise ResultError(f"{path} is no regular file, so it is not written to. Name a file.")
        if durable and workplace is None:
            remove_leftovers(path.parent, path.name)
        folder = path.parent if workplace is None else workplace.resolve()
        _replace(path, folder / temporary_name(path.name), write, durable)
    except OSError as error:
        raise ResultError(write_failure(path, error)) from error


def _replace(path: Path, unfinished: Path, write: Callable[[Path], object], durable: bool) -> None:
    """Fill the unfinished file and rename it to `path`; remove it if that fails."""
    try:
        unfinished.touch(exist_ok=False)
        write(unfinished)
        if durable:
            with unfinished.open("rb+") as file:
                os.fsync(file.fileno())  # a rename may reach the disk before what it names
        unfinished.replace(path)
    finally:
        with suppress(OSError):  # on a read-only disk: an error was raised before
            unfinished.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, in UTF-8 whatever the locale of the machine.

    Raises:
        ResultError: the file cannot be written, or the text cannot be encoded as UTF-8.
    """
    try:
        content = text.encode()
    except UnicodeEncodeError as error:
        line = next(candidate for candidate in text.splitlines() if not _is_utf8(candidate))
        raise ResultError(
            f"{path} could not be written: {line[:200]!r} is not valid text, such as a file name "
            f"that is not UTF-8. Rename that file."
        ) from error
    write_whole(path, lambda unfinished: unfinished.write_bytes(content))


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def write_array(path: Path, array: Shaped[np.ndarray, "..."]) -> None:
    """Write an array whole for `numpy.load`, under exactly this name."""

    def write(unfinished: Path) -> None:
        with unfinished.open("wb") as file:  # given a path, numpy would add an ending
            np.save(file, array)

    write_whole(path, write)


def flush_disks() -> None:
    """Wait until all written data are on disk, on systems that can do that."""
    if hasattr(os, "sync"):  # not on Windows
        os.sync()


def make_folder(folder: Path) -> None:
    """Make a folder and the folders above it.

    Raises:
        ResultError: it cannot be made.
    """
    refuse_address(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(write_failure(folder, error)) from error


def refuse_foreign_files(folder: Path, marker: str) -> None:
    """Raise ResultError unless a folder is empty or was written by the same experiment.

    Args:
        folder: where the experiment writes.
        marker: the name of the file that it writes first.

    Raises:
        ResultError: the folder holds other files.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / marker).exists():
        raise ResultError(
            f"{folder} holds other files, and its checkpoints and run would be replaced. "
            f"Give a new or an empty folder as {option('out')}."
        )


def as_json(value: object) -> str:
    """Return values and dataclasses as JSON that every program can read.

    NaN becomes null, and infinity the text "Infinity" or "-Infinity".
    """
    strict_value = _to_strict_json(value)
    text = json.dumps(strict_value, indent=2, ensure_ascii=False)
    # Escapes of JSON can hold text that UTF-8 cannot, such as odd file names.
    return (text if _is_utf8(text) else json.dumps(strict_value, indent=2)) + "\n"


def as_csv(
    rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = (), safe_csv: bool = False
) -> str:
    """Return rows that have the same columns as csv with a header.

    Args:
        rows: the rows.
        columns: the names of the columns if there are no rows.
        safe_csv: write texts so that no spreadsheet runs them; see `safe_cell`.
    """
    names = list(rows[0]) if rows else list(columns)
    lines = _Lines()
    # Only with this line terminator does the writer quote a carriage return inside a text.
    # Without quotes it would end the line for a reader.
    writer = csv.writer(lines, lineterminator="\r\n")
    writer.writerow(names)
    for row in rows:
        cells = [row[name] for name in names]
        writer.writerow([safe_cell(cell) for cell in cells] if safe_csv else cells)
    return "".join(lines)


class _Lines(list[str]):
    """Collects the lines of a csv writer, and ends each in a line feed."""

    def write(self, line: str) -> None:
        self.append(line.removesuffix("\r\n") + "\n")


def safe_cell(value: Any) -> Any:
    """Return the value; put `'` before a text that a spreadsheet would run as a formula.

    A spreadsheet that opens a csv runs cells that begin with `=`, `+`, `-` or `@`.
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def safe_table(table: pa.Table) -> pa.Table:
    """Return the table with `safe_cell` applied to all texts."""
    for index, field in enumerate(table.schema):
        if pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            cells = [safe_cell(value) for value in table[field.name].to_pylist()]
            table = table.set_column(index, field, pa.array(cells, field.type))
    return table


def _to_strict_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _to_strict_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_to_strict_json(inner) for inner in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        return "-" * (value < 0) + "Infinity"
    return value
