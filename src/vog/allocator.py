"""Settings of glibc's memory allocator, unless the user has configured it."""

import ctypes
import os
import platform
from typing import Any

# Constants of malloc.h.
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -3, -4, -8


def glibc() -> Any | None:
    """Return the C library if its allocator is glibc's and the user has not configured it."""
    is_configured = "malloc" in os.environ.get("LD_PRELOAD", "") or any(
        name.startswith("MALLOC_") for name in os.environ
    )
    if is_configured or platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL(None)


def return_freed_memory() -> None:
    """Make the allocator return large blocks to the system when they are freed, in all threads.

    By default it keeps freed memory, separately for each of several threads.
    """
    malloc = glibc()
    if malloc is not None:
        malloc.mallopt(MMAP_THRESHOLD, 2**20)
        malloc.mallopt(ARENA_MAX, 2)
