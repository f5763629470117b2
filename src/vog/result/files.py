"""Writing a file whole or not at all, and values as JSON and csv that every reader takes."""

import csv
import errno
import io
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from vog.errors import ResultError


def write_whole(
    path: Path,
    write: Callable[[Path], object],
    durable: bool = True,
    workplace: Path | None = None,
) -> None:
    """Let `write` fill a file beside `path`, then give it that name.

    A kill at any moment leaves the old file or the new one, never half of one.

    Args:
        path: the file.
        write: fills the file whose path it is given.
        durable: it also survives a power failure; costs milliseconds. Whoever writes millions
            of files calls `flush_disks` once for many instead.
        workplace: the folder, of the same disk, for the file while it is unfinished.

    Raises:
        ResultError: the disk is full, or the folder cannot be written; nothing is changed.
    """
    path = path.resolve()  # a link stays a link
    if path.exists() and not path.is_file():
        raise ResultError(f"{path} is no regular file, so it is not written to. Name a file.")
    folder = path.parent if workplace is None else workplace.resolve()
    beside = folder / f".{path.name}.{os.getpid()}.tmp{path.suffix}"
    try:
        write(beside)
        if durable:
            with beside.open("rb+") as file:
                os.fsync(file.fileno())  # a rename may reach the disk before what it names
        beside.replace(path)
    except OSError as error:
        raise ResultError(_explanation(path, error)) from error
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, in UTF-8 whatever the machine is set to."""
    write_whole(path, lambda beside: beside.write_text(text, encoding="utf-8"))


def write_array(path: Path, array: Shaped[np.ndarray, "..."]) -> None:
    """Write an array whole for `numpy.load`, under just this name."""

    def write(beside: Path) -> None:
        with beside.open("wb") as file:  # by its name numpy would add an ending
            np.save(file, array)

    write_whole(path, write)


def flush_disks() -> None:
    """Wait until all that was written is on disk, where the system can be asked to."""
    if hasattr(os, "sync"):  # not on Windows
        os.sync()


def make_folder(folder: Path) -> None:
    """The folder and those above it.

    Raises:
        ResultError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(_explanation(folder, error)) from error


def refuse_foreign(folder: Path, mark: str) -> None:
    """Nothing where an experiment may replace what is in the folder: its own files, or none.

    Args:
        folder: where it writes.
        mark: a file that it writes before all others.

    Raises:
        ResultError: the folder holds something else.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / mark).exists():
        raise ResultError(
            f"{folder} holds other files, and its checkpoints and run would be replaced. "
            f"Give a new or an empty folder as --out."
        )


def as_json(value: object) -> str:
    """Values and dataclasses as JSON that every reader takes.

    NaN is null, and infinity, which is a value, a text.
    """
    return json.dumps(_strict(value), indent=2, ensure_ascii=False) + "\n"


def as_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> str:
    """Rows of the same columns as csv, with a header; where there are no rows, these columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _strict(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _strict(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(inner) for inner in value]
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, float) and math.isinf(value):
        return "-" * (value < 0) + "Infinity"
    return value


def _explanation(path: Path, error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
    if full:
        return (
            f"{path} could not be written: the disk is full. What was finished before is whole; "
            f"free some space and run the same command again to continue."
        )
    return f"{path} could not be written: {error.strerror or error}."
