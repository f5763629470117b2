"""Reading small files that others may have changed: their size is looked at before their text."""

import json
import tempfile
from pathlib import Path
from typing import Any

from vog.errors import ResultError

_MAX_BYTES = 2**26  # bytes: a million names of classes are half of it


def read_text(path: Path, max_bytes: int = _MAX_BYTES) -> str:
    """Return the text of a file.

    Args:
        path: the file.
        most: bytes that such a file may have; no more are read.

    Raises:
        OSError: it is not there, or may not be read.
        ValueError: it is larger, or no UTF-8.
    """
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it has more than {max_bytes:,} bytes, which is too much for such a file")
    return content.decode("utf-8-sig")


def read_json(path: Path, max_bytes: int = _MAX_BYTES) -> Any:
    """Return what a JSON file holds.

    Raises:
        OSError: it is not there, or may not be read.
        ValueError: it is larger than such a file, or no JSON.
    """
    try:
        return json.loads(read_text(path, max_bytes))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def temporary_folder() -> Path:
    """Return a new folder for what may go when the process ends.

    Raises:
        ResultError: there is no place for one.
    """
    try:
        return Path(tempfile.mkdtemp(prefix="vog-"))
    except OSError as error:
        raise ResultError(no_temporary_folder(error)) from error


def no_temporary_folder(error: OSError) -> str:
    """Return that there is no place for temporary files, and what to do."""
    return (
        f"no folder for temporary files can be written: {error.strerror or error}. Set TMPDIR to a "
        f"folder that you may write to."
    )
