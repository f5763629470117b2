"""The allocator of the C library, where it is glibc's and nobody else has set it."""

import ctypes
import os
import platform
from typing import Any

# Names of settings, as in malloc.h.
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -3, -4, -8


def glibc() -> Any | None:
    """The C library, if its allocator is in use, has these settings, and nobody else set them."""
    is_configured = "malloc" in os.environ.get("LD_PRELOAD", "") or any(
        name.startswith("MALLOC_") for name in os.environ
    )
    if is_configured or platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL(None)


def return_freed_memory() -> None:
    """From now on large pieces go back to the system when they are freed, whoever had them.

    Left to itself the allocator keeps what it once had, for each of some threads.
    """
    malloc = glibc()
    if malloc is not None:
        malloc.mallopt(MMAP_THRESHOLD, 2**20)
        malloc.mallopt(ARENA_MAX, 2)
