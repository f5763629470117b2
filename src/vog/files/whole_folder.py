"""A folder of several files that is there whole or not at all."""

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


@contextmanager
def whole_folder(out: Path, activity: str) -> Iterator[Path]:
    """An empty folder beside `out`, which gets the name of that when all is written.

    Args:
        out: the folder to make; an empty one may be there.
        doing: what is done, as "planting", for whoever else does it at the same time.

    Raises:
        ResultError: it cannot be written, or another process writes it.
    """
    unfinished = out.absolute().with_name(f".{out.absolute().name}.unfinished")
    try:
        with _locked_empty_folder(unfinished, out, activity):
            yield unfinished
            if out.is_dir():
                out.rmdir()  # an empty one: not everywhere is it replaced
            unfinished.rename(out)
    except OSError as error:
        raise ResultError(f"{out} could not be written: {error.strerror or error}.") from error


def was_written(out: Path, record: str) -> bool:
    """Whether a folder was written before, as far as its record tells; not where it is empty.

    Args:
        out: the folder.
        record: the name of the file that is written last.

    Raises:
        ResultError: it is a file, or holds something else.
    """
    if out.exists() and not out.is_dir():
        raise ResultError(f"{out} is a file. Give a new folder as --out.")
    if not out.is_dir() or not any(out.iterdir()):
        return False
    if not (out / record).exists():
        raise ResultError(f"{out} holds other files. Give a new or an empty folder as --out.")
    return True


@contextmanager
def _locked_empty_folder(unfinished: Path, out: Path, activity: str) -> Iterator[None]:
    """The folder, empty, while no other process writes into it."""
    # Not beside it: a lock that is removed while another process waits for it locks nothing.
    lock_name = hashlib.sha256(f"{unfinished.resolve()}\n".encode()).hexdigest()[:16]
    try:
        lock = FileLock(Path(tempfile.gettempdir()) / f"vog-{lock_name}.lock")
        lock.acquire(blocking=False)
    except Timeout as error:
        raise ResultError(
            f"another process is {activity} into {out.name}. Wait for it, or give another --out."
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
