"""Paths that name data: what is there, and whether it can be opened."""

import os
import stat
from pathlib import Path
from typing import Any, TypeGuard

from vog.errors import DataError
from vog.files.file_names import expanded
from vog.wording import option


def is_name(data: Any) -> TypeGuard[str | Path]:
    """Return whether the data are given by a name: a path, or `file.py:function`."""
    return isinstance(data, str | Path)


def names_folder(data: Any) -> bool:
    """Return whether a name is that of a folder; if nothing is there, whether it has no suffix."""
    if not is_name(data):
        return False
    path = expanded(data)
    is_file = os.path.isfile(path)  # noqa: PTH113 (`Path` raises for names no file could have)
    return os.path.isdir(path) or not (path.suffix or is_file)  # noqa: PTH112


def is_missing(data: str | Path) -> bool:
    """Return whether nothing is at a path, or Python code, which is no data."""
    path = expanded(data)
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return True
    except OSError:
        return False
    return path.suffix == ".py" and stat.S_ISREG(mode)


def existing_path(data: str | Path) -> Path:
    """Return the path of a file or folder of data.

    Raises:
        DataError: nothing is there, it cannot be read, or it is neither a file nor a folder.
    """
    path = expanded(data)
    if is_missing(data):
        raise missing_error(data)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise DataError(f"{option('data')} {str(data)!r}: {error.strerror}.") from error
    if not (stat.S_ISDIR(mode) or stat.S_ISREG(mode)):
        raise DataError(f"{option('data')} {str(data)!r} is neither a file nor a folder.")
    return path


def missing_error(data: str | Path) -> DataError:
    """Return the error that there are no data of this name."""
    return DataError(
        f"{option('data')} {str(data)!r}: there is no such folder or file. Expected a folder "
        f"with one sub-folder a class, a list file, an .npz, or file.py:function."
    )
