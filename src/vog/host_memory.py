"""The memory of the machine: how much is free, and how the allocator keeps or returns it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from vog import allocator

# From glibc's malloc.h.
_DEFAULTS = {
    allocator.MMAP_MAX: 65536,
    allocator.MMAP_THRESHOLD: 2**17,
    allocator.TRIM_THRESHOLD: 2**17,
}


def free_bytes() -> int:
    """Return the free bytes of the machine; in a container, at most what its limit leaves."""
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


def release() -> None:
    """Give back the unused memory that the allocator keeps, after memory ran out."""
    malloc = allocator.glibc()
    if malloc is not None:
        _reset_malloc(malloc)


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
