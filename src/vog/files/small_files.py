"""Reading of small files that others may have changed, with a limit on their size."""

import json
import tempfile
from pathlib import Path
from typing import Any

from vog.errors import ResultError

_MAX_BYTES = 2**26  # a million class names take half of it


def read_text(path: Path, max_bytes: int = _MAX_BYTES) -> str:
    """Return the text of a file.

    Args:
        path: the file.
        max_bytes: the most bytes that the file may have.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: it is larger, or not UTF-8.
    """
    with path.open("rb") as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise ValueError(f"it has more than {max_bytes:,} bytes, which is too much for such a file")
    return content.decode("utf-8-sig")


def read_json(path: Path, max_bytes: int = _MAX_BYTES) -> Any:
    """Return the content of a JSON file.

    Raises:
        OSError: the file is missing or cannot be read.
        ValueError: it is larger than `max_bytes`, or not JSON.
    """
    try:
        return json.loads(read_text(path, max_bytes))
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def temporary_folder() -> Path:
    """Return a new folder for files that are not needed after the process ends.

    Raises:
        ResultError: no temporary folder can be made.
    """
    try:
        return Path(tempfile.mkdtemp(prefix="vog-"))
    except OSError as error:
        raise ResultError(no_temporary_folder(error)) from error


def no_temporary_folder(error: OSError) -> str:
    """Return the message that temporary files cannot be written, and what to do."""
    return (
        f"no folder for temporary files can be written: {error.strerror or error}. Set TMPDIR to a "
        f"folder that you may write to."
    )
