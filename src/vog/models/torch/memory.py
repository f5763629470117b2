"""Memory: how much is free, how much a computation needs, and how to keep what is freed."""

import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeGuard

import psutil
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vog import allocator

# From glibc's malloc.h.
_DEFAULTS = {
    allocator.MMAP_MAX: 65536,
    allocator.MMAP_THRESHOLD: 2**17,
    allocator.TRIM_THRESHOLD: 2**17,
}


def free_bytes(device: torch.device) -> int:
    """Return the free bytes of a device; in a container, at most what its limit leaves."""
    if device.type == "cuda":
        # Memory that the allocator of this process reserves and does not use is free as well.
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    return min([psutil.virtual_memory().available, *_free_in_control_groups()])


def _free_in_control_groups() -> list[int]:
    free: list[int] = []
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        try:
            texts = [(Path("/sys/fs/cgroup") / name).read_text().strip() for name in (limit, used)]
        except OSError:
            continue
        if all(text.isdecimal() for text in texts):  # else "max": no limit
            free.append(max(0, int(texts[0]) - int(texts[1])))
    return free


def ran_out(error: BaseException) -> bool:
    """Return True if an error says that memory ran out, on the processor or on a GPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def release() -> None:
    """Give back the unused memory that allocators keep, after memory ran out."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    malloc = allocator.glibc()
    if malloc is not None:
        _reset_malloc(malloc)


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """Return the most bytes of new tensors that `work` holds at one time."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with _TensorCounter() as counter:
        work()
    return counter.peak


class _TensorCounter(TorchDispatchMode):
    """Counts the memory of the tensors that operations return, as long as they exist."""

    def __init__(self) -> None:
        super().__init__()
        self.current = self.peak = 0
        self.addresses: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False: the default would import the compiler, which takes a second."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count the tensors that it returned, each memory once."""
        existing = {_address(leaf) for leaf in tree_leaves((args, kwargs)) if _has_storage(leaf)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if _has_storage(leaf) and _address(leaf) not in existing | self.addresses:
                self._count(leaf)
        self.peak = max(self.peak, self.current)
        return result

    def _count(self, tensor: Tensor) -> None:
        storage, address = tensor.untyped_storage(), _address(tensor)
        size = storage.nbytes()
        self.addresses.add(address)
        self.current += size
        weakref.finalize(storage, self._forget, address, size)

    def _forget(self, address: int, size: int) -> None:
        self.addresses.discard(address)
        self.current -= size


def _has_storage(value: object) -> TypeGuard[Tensor]:
    """Return True for a tensor with one piece of memory; a sparse one has several."""
    return isinstance(value, Tensor) and value.layout is torch.strided


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@contextmanager
def keep_freed_memory(max_growth: int) -> Iterator[Callable[[], None]]:
    """Keep freed memory for the next batch inside the block, and yield a function that trims it.

    Otherwise the system provides large tensors anew each time, zeroed page by page: a seventh of
    the time of a ResNet on two cores. This is for batches of one size; see `map_large_tensors`.

    Args:
        max_growth: bytes by which the process may grow. Call the yielded function between batches:
            if the process has grown by more, it gives free memory back to the system.
    """
    malloc = allocator.glibc()
    if malloc is None:
        yield lambda: None
        return
    process = psutil.Process()
    limit = process.memory_info().rss + max_growth

    def give_back() -> None:
        if process.memory_info().rss > limit:
            malloc.malloc_trim(0)

    with _malloc_settings(malloc, {allocator.MMAP_MAX: 0, allocator.TRIM_THRESHOLD: 2**31 - 1}):
        yield give_back


@contextmanager
def map_large_tensors() -> Iterator[Callable[[], None]]:
    """Map each large tensor on its own inside the block, so that freeing it returns its memory.

    For weights that are loaded and freed between batches. By default glibc learns to put large
    tensors on its heap. The heap then fragments, because a hole of the right size is too small for
    an aligned tensor of that size (before glibc 2.38): it took 2.4 GB with 140 MB in use.
    """
    malloc = allocator.glibc()
    if malloc is None:
        yield lambda: None
        return
    with _malloc_settings(malloc, {allocator.MMAP_THRESHOLD: 2**17}):
        yield lambda: None


@contextmanager
def _malloc_settings(malloc: Any, settings: Mapping[int, int]) -> Iterator[None]:
    for setting, value in settings.items():
        malloc.mallopt(setting, value)
    try:
        yield
    finally:
        _reset_malloc(malloc)


def _reset_malloc(malloc: Any) -> None:
    for setting, value in _DEFAULTS.items():
        malloc.mallopt(setting, value)
    malloc.malloc_trim(0)
