"""Worker processes that get the data as nobody has read them, and what they need of the machine.

A worker is a fork of this process, so it inherits every file that is open here, and the place in
each file is then one for all processes: after one of them has read, another reads the rows of
others. Two measures hold against that, and both are needed:

- This process reads nothing of what is the user's as long as there are workers. What it has to
  know before the run starts, such as a few examples for the guards, a worker reads for it and ends
  (`Examples.apart`). So whatever is opened at the first read (files, archives, databases, sockets,
  pools of threads), and wherever it is kept (an attribute, a module, a cache), each worker opens
  for itself. A copy made before the first read would not hold what modules keep, and would copy
  arrays in memory.
- What was open before, because the dataset opens it when it is made or because the user looked at
  an item first, each worker opens anew at the same place before it reads (`_open_anew`).

A connection cannot be opened anew: where the data hold one, there are no workers
(`vog.data.connections`).
"""

import fcntl
import multiprocessing
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, get_worker_info

from vog.errors import DataError, VogError

_SHARED_MEMORY = Path("/dev/shm")
_OPEN_FILES = Path("/proc/self/fd")
_STANDARD = (0, 1, 2)
# Results of a worker that may be on their way at one time, and as many for who else is here.
_RESULTS_IN_FLIGHT = 4
# What queues and locks between processes take of shared memory, with room to spare.
_LEAST_SHARED = 2**20


@dataclass(frozen=True)
class _Failure:
    """A mistake met in a worker process: errors of ours do not survive being sent as such."""

    message: str


class _FunctionDataset(Dataset[Any]):
    """A dataset whose items are what a function returns, and whose indices are its arguments."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.problem = ""

    def __getitem__(self, argument: Any) -> Any:
        if self.problem:
            return _Failure(self.problem)
        try:
            return self.function(argument)
        except VogError as error:
            return _Failure(str(error))


def mapped(function: Callable[[Any], Any], arguments: Sequence[Any], workers: int) -> Iterator[Any]:
    """Return what a function returns for each argument, in order, computed by some processes.

    Raises:
        DataError: the function raised it, a process died, or none can be started.
    """
    loader: DataLoader[Any] = DataLoader(
        _FunctionDataset(function),
        sampler=arguments,
        batch_size=None,
        num_workers=workers,
        collate_fn=_without_collating,
        worker_init_fn=_start_worker,
        generator=torch.Generator(),  # else it draws from the user's random numbers
    )
    try:
        results = iter(loader)
    except OSError as error:
        raise DataError(
            f"{workers} worker processes cannot be started: {error}. Try fewer --workers; with "
            f"--workers 0 none is needed."
        ) from error
    while True:
        try:
            result = next(results)
        except StopIteration:
            return
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise DataError(
                f"a worker process died: {str(error).splitlines()[0]} Its memory may not have "
                f"been enough: try fewer --workers or a smaller --batch-size."
            ) from error
        if isinstance(result, _Failure):
            raise DataError(result.message)
        yield result


def obstacle(function: Callable[[Any], Any]) -> str:
    """Return why no other process can compute a function here, as a sentence; empty if one can."""
    try:
        multiprocessing.get_context().Lock()
    except (OSError, ImportError) as error:  # no /dev/shm, or nothing may be written there
        return f"this machine lets processes share nothing ({error})"
    free_bytes = free_shared_memory()
    if free_bytes is not None and free_bytes < _LEAST_SHARED:
        return f"{_SHARED_MEMORY} has no room for what processes share ({free_bytes:,} bytes)"
    if multiprocessing.get_start_method() == "fork":
        return ""
    try:
        ForkingPickler.dumps(function)
    except Exception as error:  # whatever the objects of the user raise
        return f"the data cannot be sent to a process that does not inherit them ({error})"
    return ""


def has_room(nbytes: int, workers: int) -> bool:
    """Return whether shared memory has room for a result of so many bytes from each worker.

    Without room a worker dies of a bus error, or its result is lost and waited for without end.
    """
    free_bytes = free_shared_memory()
    return free_bytes is None or free_bytes >= _RESULTS_IN_FLIGHT * workers * nbytes


def free_shared_memory() -> int | None:
    """Return how many bytes of shared memory are free; None where nothing limits it."""
    if sys.platform != "linux":
        return None
    try:
        return shutil.disk_usage(_SHARED_MEMORY).free
    except OSError:
        return 0


def _start_worker(worker: int) -> None:
    """Prepare a worker process before its first call."""
    info = get_worker_info()
    calls = None if info is None else info.dataset
    assert isinstance(calls, _FunctionDataset), "this runs in a worker process of `mapped`"
    try:
        _reopen_files()
    except OSError as error:
        calls.problem = (
            f"a worker process cannot open {error.filename} anew, which is open already "
            f"({error.strerror}), and processes that share an open file read rows of each other. "
            f"Pass --workers 0."
        )


def _reopen_files() -> None:
    """Give this process its own place in each file that it inherited open for reading.

    Raises:
        OSError: a file cannot be opened again.
    """
    # Nobody moves the shared places meanwhile: the first process reads nothing while it has
    # workers, and each worker comes here before it reads.
    for descriptor in open_descriptors():
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and is_read(descriptor):
            _reopen(descriptor, fcntl.fcntl(descriptor, fcntl.F_GETFL))


def open_descriptors() -> list[int]:
    """Return the numbers of what this process has open; none where the system does not tell."""
    if not _OPEN_FILES.is_dir():
        return []
    descriptors = map(int, os.listdir(_OPEN_FILES))  # noqa: PTH208
    return [descriptor for descriptor in descriptors if _status(descriptor) is not None]


def is_read(descriptor: int) -> bool:
    """Return whether a process reads from what it has open, and does not only write or print."""
    if descriptor in _STANDARD or _file_key(descriptor) in map(_file_key, _STANDARD):
        return False
    # What is only written to processes write in turns, such as a log.
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY


def _reopen(descriptor: int, flags: int) -> None:
    link = _OPEN_FILES / str(descriptor)
    name, position = os.readlink(link), os.lseek(descriptor, 0, os.SEEK_CUR)  # noqa: PTH115
    access = flags & (os.O_ACCMODE | os.O_APPEND | getattr(os, "O_DIRECT", 0))
    try:
        copy = os.open(link, access | os.O_CLOEXEC)  # also of a file that was removed meanwhile
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from error
    os.lseek(copy, position, os.SEEK_SET)
    os.dup2(copy, descriptor, inheritable=os.get_inheritable(descriptor))
    os.close(copy)


def _file_key(descriptor: int) -> tuple[int, int] | None:
    """Return what tells the file behind a number from all others."""
    status = _status(descriptor)
    return None if status is None else (status.st_dev, status.st_ino)


def _status(descriptor: int) -> os.stat_result | None:
    try:
        return os.fstat(descriptor)
    except OSError:  # closed, such as the number that listed the numbers
        return None


def _without_collating(item: Any) -> Any:
    return item
