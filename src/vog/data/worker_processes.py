"""Worker processes that get the data in their state before the first read.

A worker is a fork of this process, so it inherits every file that is open here. All processes then
share the position in each file: if one of them reads, another one reads the wrong rows. Two
measures prevent that, and both are needed:

- This process does not read the data of the user as long as there are workers. If it needs a few
  examples before the run starts, such as for the preflight checks, a worker reads them and ends
  (`Examples.read_by_workers`). So each worker opens for itself whatever is opened at the first
  read (files, archives, databases, sockets, thread pools), wherever it is stored (an attribute, a
  module, a cache). A copy of the dataset from before the first read would not do: it lacks what
  modules store, and it would copy arrays in memory.
- Files that were open before, because the dataset opens them when it is made or because the user
  read an item first, are opened again by each worker, at the same position, before it reads
  (`_reopen_files`).

A connection cannot be opened again: if the data hold one, there are no workers
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
from vog.wording import option

_SHARED_MEMORY = Path("/dev/shm")
_OPEN_FILES = Path("/proc/self/fd")
_STANDARD = (0, 1, 2)
# Results of a worker in transit at one time, doubled to leave room for different programs.
_RESULTS_IN_FLIGHT = 4
# Bytes of shared memory for queues and locks between processes, with a margin.
_LEAST_SHARED = 2**20


@dataclass(frozen=True)
class _Failure:
    """The message of an error in a worker process: a `VogError` does not survive pickling."""

    message: str


class _FunctionDataset(Dataset[Any]):
    """A dataset whose items are the results of a function, and whose indices its arguments."""

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
    """Yield the result of a function for each argument, in order, computed in processes.

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
        generator=torch.Generator(),  # otherwise it draws from the user's random numbers
    )
    try:
        results = iter(loader)
    except OSError as error:
        raise DataError(
            f"{workers} worker processes cannot be started: {error}. Lower {option('workers')}; "
            f"{option('workers', 0)} needs none."
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
                f"a worker process died: {str(error).splitlines()[0]} It may have run out of "
                f"memory: lower {option('workers')} or {option('batch_size')}."
            ) from error
        if isinstance(result, _Failure):
            raise DataError(result.message)
        yield result


def obstacle(function: Callable[[Any], Any]) -> str:
    """Return why no worker process can compute a function, as a sentence; empty if one can."""
    try:
        multiprocessing.get_context().Lock()
    except (OSError, ImportError) as error:  # no /dev/shm, or nothing may be written there
        return f"this machine does not let processes share memory ({error})"
    free_bytes = free_shared_memory()
    if free_bytes is not None and free_bytes < _LEAST_SHARED:
        return f"{_SHARED_MEMORY} has no room for what processes share ({free_bytes:,} bytes)"
    if multiprocessing.get_start_method() == "fork":
        return ""
    try:
        ForkingPickler.dumps(function)
    except Exception as error:  # objects of the user can raise anything
        return f"the data cannot be sent to a process that does not inherit them ({error})"
    return ""


def has_room(nbytes: int, workers: int) -> bool:
    """Return whether shared memory has room for a result of `nbytes` from each worker.

    Without room a worker dies of a bus error, or its result is lost and this process waits forever.
    """
    free_bytes = free_shared_memory()
    return free_bytes is None or free_bytes >= _RESULTS_IN_FLIGHT * workers * nbytes


def free_shared_memory() -> int | None:
    """Return the free bytes of shared memory; None if it has no limit."""
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
            f"a worker process cannot open {error.filename} again, which is open already "
            f"({error.strerror}), and processes that share an open file read wrong rows. "
            f"Pass {option('workers', 0)}."
        )


def _reopen_files() -> None:
    """Give this process its own position in each file that it inherited open for reading.

    Raises:
        OSError: a file cannot be opened again.
    """
    # The shared positions do not change meanwhile: the first process reads nothing while it has
    # workers, and each worker runs this before it reads.
    for descriptor in open_descriptors():
        if stat.S_ISREG(os.fstat(descriptor).st_mode) and is_read(descriptor):
            _reopen(descriptor, fcntl.fcntl(descriptor, fcntl.F_GETFL))


def open_descriptors() -> list[int]:
    """Return the open file descriptors of this process; none if the system does not list them."""
    if not _OPEN_FILES.is_dir():
        return []
    descriptors = map(int, os.listdir(_OPEN_FILES))  # noqa: PTH208
    return [descriptor for descriptor in descriptors if status_of(descriptor) is not None]


def is_read(descriptor: int) -> bool:
    """Return whether an open file is read from, and not only written or printed to."""
    if descriptor in _STANDARD or _file_key(descriptor) in map(_file_key, _STANDARD):
        return False
    # Files that are only written to, such as logs, are safe to share.
    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_WRONLY


def _reopen(descriptor: int, flags: int) -> None:
    link = _OPEN_FILES / str(descriptor)
    name, position = os.readlink(link), os.lseek(descriptor, 0, os.SEEK_CUR)  # noqa: PTH115
    access = flags & (os.O_ACCMODE | os.O_APPEND | getattr(os, "O_DIRECT", 0))
    try:
        copy = os.open(link, access | os.O_CLOEXEC)  # works for a removed file too
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from error
    os.lseek(copy, position, os.SEEK_SET)
    os.dup2(copy, descriptor, inheritable=os.get_inheritable(descriptor))
    os.close(copy)


def _file_key(descriptor: int) -> tuple[int, int] | None:
    """Return device and inode of an open file; None if the descriptor is closed."""
    status = status_of(descriptor)
    return None if status is None else (status.st_dev, status.st_ino)


def status_of(descriptor: int) -> os.stat_result | None:
    """Return what the system knows of an open file; None if the descriptor is closed."""
    try:
        return os.fstat(descriptor)
    except OSError:  # closed, such as the descriptor that listed the descriptors
        return None


def _without_collating(item: Any) -> Any:
    return item
