"""Checks of the paths that results are written to, before any work begins."""

import errno
import os
import re
from pathlib import Path

from vog.errors import ResultError
from vog.files.file_names import expanded, printable

# `s3://bucket/a`, or `s3:/bucket/a` after `Path`. A single letter is a Windows drive.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def output_path(name: str | Path) -> Path:
    """Return the path of a file or folder that is going to be written, with `~` expanded.

    Raises:
        ResultError: it is an address, its name is too long or not UTF-8, or the folder above it is
            not writable.
    """
    refuse_address(name)
    path = expanded(name)
    real_path = Path(os.path.realpath(path)) if "\0" not in str(name) else path
    refuse_non_utf8(real_path, "written")
    try:
        real_path.lstat()  # raises what opening it would raise
        if not real_path.is_dir():
            _refuse_unwritable_parent(path, real_path)
    except FileNotFoundError:
        _refuse_unwritable_parent(path, real_path)
    except (OSError, ValueError) as error:  # ValueError: a null byte
        raise ResultError(write_failure(path, error)) from error
    return path


def refuse_address(name: str | Path) -> None:
    """Raise ResultError if a name is an address, such as `s3://bucket/a`."""
    match = _ADDRESS.match(str(name))
    if match is None or Path(f"{match[1]}:").is_dir():
        return
    raise ResultError(
        f"{name} is an address, but results can be written only to folders and files of this "
        f"machine. Nothing was computed. Give a local path, and copy the results afterwards with "
        f"the tool for {match[1]}://."
    )


def refuse_non_utf8(path: Path, action: str) -> None:
    """Raise ResultError unless a path is UTF-8: Arrow and DuckDB accept no other.

    Args:
        path: the path.
        action: "read" or "written", for the message.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise ResultError(
            f"{printable(str(path))} cannot be {action}: the path is not UTF-8 (\\x and two digits "
            f"stand for a byte that is not). Nothing was changed. Rename the folder or file, or "
            f"give another path."
        ) from None


def write_failure(path: Path, error: Exception) -> str:
    """Return a message: why a file or folder could not be written, and what to do."""
    error_number = getattr(error, "errno", None)
    is_disk_full = error_number in (errno.ENOSPC, errno.EDQUOT)
    # NumPy and DuckDB raise without an error number: their text is searched.
    if is_disk_full or "No space left" in str(error) or "requested and" in str(error):
        return (
            f"{path} could not be written: the disk is full. What was finished before is whole; "
            f"free some space and repeat the same command or call to continue."
        )
    reason = getattr(error, "strerror", None) or error
    return f"{path} could not be written: {reason}.{_advice(error_number, path)}"


def _advice(error_number: int | None, path: Path) -> str:
    if error_number == errno.ENAMETOOLONG:
        longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
        return f" Its longest part has {longest} bytes; most disks allow 255. Give a shorter name."
    if error_number == errno.EROFS:
        return " The disk is read-only. Give a path on a different disk."
    if error_number in (errno.EACCES, errno.EPERM):
        return " Give a path in a folder that you may write to."
    return ""


def _refuse_unwritable_parent(path: Path, real_path: Path) -> None:
    """Raise ResultError if the nearest existing folder cannot take a new file of this name."""
    # `Path.exists` raises if a folder may not be listed.
    folder = next((parent for parent in real_path.parents if os.path.exists(parent)), None)  # noqa: PTH110
    if folder is None or not folder.is_dir():
        return
    longest = max(len(os.fsencode(part)) for part in real_path.relative_to(folder).parts)
    if hasattr(os, "pathconf") and longest > os.pathconf(folder, "PC_NAME_MAX"):
        error = OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
        raise ResultError(write_failure(path, error))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ResultError(
            f"{path} could not be written: {folder} is read-only for you. Give a path in a folder "
            f"that you may write to."
        )
