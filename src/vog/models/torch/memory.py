"""Memory that computing takes: how much is free, how much work needs, and keeping it at hand."""

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

# Of glibc's malloc.h.
_DEFAULTS = {
    allocator.MMAP_MAX: 65536,
    allocator.MMAP_THRESHOLD: 2**17,
    allocator.TRIM_THRESHOLD: 2**17,
}


def free_bytes(device: torch.device) -> int:
    """What can still be had on a device; in a container, what its limit leaves."""
    if device.type == "cuda":
        # What the allocator of this process holds and does not use is free as well.
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
    """Whether this says that there was not enough memory, on the processor or on a GPU."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    )


def release() -> None:
    """Give back what allocators keep for later, after there was not enough."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    malloc = allocator.glibc()
    if malloc is not None:
        _reset_malloc(malloc)


def peak_bytes(work: Callable[[], object], device: torch.device) -> int:
    """The most bytes of tensors that work makes and holds at one time."""
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
    """Adds up the memory behind the tensors that operations return, while they live."""

    def __init__(self) -> None:
        super().__init__()
        self.current = self.peak = 0
        self.addresses: set[int] = set()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: the wrapper that keeps the compiler out imports it, a second at every start."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and count what it returned and is not counted yet."""
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
    """Whether it is a tensor with one piece of memory; a sparse one has several."""
    return isinstance(value, Tensor) and value.layout is torch.strided


def _address(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


@contextmanager
def keep_freed_memory(max_growth: int) -> Iterator[Callable[[], None]]:
    """While it is entered, freed memory stays with the process for the next batch.

    Large tensors come from the system anew each time otherwise, zeroed page by page: a seventh of
    the time of a ResNet on two cores. This is for one batch like the other; see `map_large_tensors`.

    Args:
        most: bytes the process may grow by. What is given is to be called between batches: where
            it has grown by more, what is free is given back.
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
    """While it is entered, each large tensor is mapped on its own, and gone when it is freed.

    For weights that come and go between batches. By itself glibc learns to put large tensors on
    its heap, which falls to pieces then, since a hole of the right size is too small for an aligned
    tensor of that size (before glibc 2.38): 2.4 GB were seen where 140 MB were in use.
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
