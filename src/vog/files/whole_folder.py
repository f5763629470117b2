"""Folders of several files that appear whole or not at all."""

import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from vog.errors import ResultError
from vog.files.small_files import no_temporary_folder
from vog.files.writing import make_folder
from vog.wording import option


@contextmanager
def whole_folder(out: Path, activity: str) -> Iterator[Path]:
    """Yield an empty folder beside `out`; it is renamed to `out` when all files are written.

    Args:
        out: the folder to make; it may exist if it is empty.
        activity: such as "planting", for the message to a second process.

    Raises:
        ResultError: it cannot be written, or another process is writing it.
    """
    unfinished = out.absolute().with_name(f".{out.absolute().name}.unfinished")
    try:
        with _locked_empty_folder(unfinished, out, activity):
            yield unfinished
            if out.is_dir():
                out.rmdir()  # it is empty; not every system replaces it on rename
            unfinished.rename(out)
    except OSError as error:
        raise ResultError(f"{out} could not be written: {error.strerror or error}.") from error


def was_written(out: Path, record: str) -> bool:
    """Return whether a folder has its record; False if it is missing or empty.

    Args:
        out: the folder.
        record: the name of the file in it that is written last.

    Raises:
        ResultError: it is a file, or a folder of other files.
    """
    if out.exists() and not out.is_dir():
        raise ResultError(f"{out} is a file. Give a new folder as {option('out')}.")
    if not out.is_dir() or not any(out.iterdir()):
        return False
    if not (out / record).exists():
        raise ResultError(f"{out} holds other files. Give a new or empty {option('out')} folder.")
    return True


@contextmanager
def _locked_empty_folder(unfinished: Path, out: Path, activity: str) -> Iterator[None]:
    """Make an empty folder and lock it against other processes; remove it at the end."""
    # Not beside the folder: if a lock is removed while another process waits, it locks nothing.
    lock_name = hashlib.sha256(f"{unfinished.resolve()}\n".encode()).hexdigest()[:16]
    try:
        lock = FileLock(Path(tempfile.gettempdir()) / f"vog-{lock_name}.lock")
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ResultError(
            f"another process is {activity} into {out.name}. Wait, or give another {option('out')}."
        ) from error
    except OSError as error:
        raise ResultError(no_temporary_folder(error)) from error
    try:
        _remove(unfinished)
        make_folder(unfinished)
        yield
    finally:
        _remove(unfinished)
        lock.release()


def _remove(folder: Path) -> None:
    if folder.is_dir():
        shutil.rmtree(folder)
