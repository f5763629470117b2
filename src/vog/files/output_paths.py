"""Where results may be written: what cannot be a file or folder here is refused beforehand."""

import errno
import os
import re
from pathlib import Path

from vog.errors import ResultError
from vog.files.file_names import expanded, printable

# `s3://bucket/a`, and what is left of it as a path: `s3:/bucket/a`. One letter is a drive.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


def output_path(name: str | Path) -> Path:
    """Return the path of a file or a folder that is going to be written, `~` as its folder.

    Raises:
        ResultError: it is an address, its name is too long or no UTF-8, or the folder that it would
            be made in may not be written.
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
    """Raise ResultError unless the name is that of a file or a folder of this machine."""
    match = _ADDRESS.match(str(name))
    if match is None or Path(f"{match[1]}:").is_dir():
        return
    raise ResultError(
        f"{name} is an address, and results are written to folders and files of this machine "
        f"alone. Nothing was computed. Give a local path, and copy what is written there with the "
        f"tool for {match[1]}:// when the command has ended."
    )


def refuse_non_utf8(path: Path, action: str) -> None:
    """Raise ResultError unless a path is UTF-8: Arrow and DuckDB take no other.

    Args:
        path: the path.
        done: what is done there: "read" or "written".
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
    """Return why a file or a folder could not be written, and what to do."""
    error_number = getattr(error, "errno", None)
    is_disk_full = error_number in (errno.ENOSPC, errno.EDQUOT)
    # NumPy says how much it wrote, and DuckDB what the system said, without a number.
    if is_disk_full or "No space left" in str(error) or "requested and" in str(error):
        return (
            f"{path} could not be written: the disk is full. What was finished before is whole; "
            f"free some space and run the same command again to continue."
        )
    reason = getattr(error, "strerror", None) or error
    return f"{path} could not be written: {reason}.{_advice(error_number, path)}"


def _advice(error_number: int | None, path: Path) -> str:
    if error_number == errno.ENAMETOOLONG:
        longest = max((len(os.fsencode(part)) for part in path.parts), default=0)
        return f" The longest part of it has {longest} bytes; most disks take 255. Give a shorter."
    if error_number == errno.EROFS:
        return " The disk can only be read. Give a path on another."
    if error_number in (errno.EACCES, errno.EPERM):
        return " Give a path in a folder that you may write to."
    return ""


def _refuse_unwritable_parent(path: Path, real_path: Path) -> None:
    """Raise ResultError where the last folder that is there takes no new file of this name."""
    # `Path.exists` raises where a folder may not be looked into.
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
