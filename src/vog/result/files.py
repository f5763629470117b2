"""Writing a file whole or not at all."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from vog.errors import ResultError


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path`, then give it that name.

    A kill at any moment leaves the old file or the new one, never half of one.

    Raises:
        ResultError: the disk is full, or the folder cannot be written; nothing is changed.
    """
    path = path.resolve()  # a link stays a link
    if path.exists() and not path.is_file():
        raise ResultError(f"{path} is no regular file, so it is not written to. Name a file.")
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp{path.suffix}")
    try:
        write(beside)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())  # a rename may reach the disk before what it names
        beside.replace(path)
    except OSError as error:
        raise ResultError(_explanation(path, error)) from error
    finally:
        beside.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """The folder and those above it.

    Raises:
        ResultError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(_explanation(folder, error)) from error


def _explanation(path: Path, error: OSError) -> str:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT) or "No space left" in str(error)
    if full:
        return (
            f"{path} could not be written: the disk is full. What was finished before is whole; "
            f"free some space and run the same command again to continue."
        )
    return f"{path} could not be written: {error.strerror or error}."
