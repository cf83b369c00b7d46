"""The memory of this process."""

import ctypes
import gc
import os

ARENAS = 2
"""Pools of the C library from which all threads allocate."""

LARGE_BYTES = 4 * 2**20
"""Blocks from this size on go back to the system as soon as they are freed.

With 32 MiB a gradient pass of I3D took 12% less time, and a worker's memory grew by 14% in half an
hour of `make soak`.
"""

KEPT_BYTES = 64 * 2**20
"""So much free memory stays at the end of a pool until `free_memory`. Without it each request gets
it anew from the system, page by page, which takes some milliseconds."""

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8


def resident_bytes() -> int:
    """Physical memory that this process holds; 0 where the system doesn't report it."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def tune_allocator() -> None:
    """Let the C library's allocator keep little of what requests have freed, where it can.

    Requests run in dozens of threads. By default many threads have a pool of their own, which no
    other thread can use, and blocks of up to 32 MiB, such as clips, come to lie in the pools, whose
    holes are kept.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(_M_ARENA_MAX, ARENAS)
        tune(_M_MMAP_THRESHOLD, LARGE_BYTES)
        tune(_M_TRIM_THRESHOLD, KEPT_BYTES)


def free_memory() -> None:
    """Return what requests have left behind to the system, where it can be.

    An exception and the frames of its traceback refer to one another, and so hold a clip until the
    next full collection. `gc.freeze` before keeps this one short.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
