"""The memory of this process."""

import ctypes
import os

ARENAS = 2
"""Pools of the C library from which all threads allocate."""

_M_ARENA_MAX = -8


def resident_bytes() -> int:
    """Physical memory that this process holds; 0 where the system doesn't report it."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def share_arenas() -> None:
    """Let all threads allocate from few pools, where the C library has a pool for each of many.

    Requests run in dozens of threads, and what one frees another pool can't use.
    """
    tune = getattr(ctypes.CDLL(None), "mallopt", None)
    if tune is not None:
        tune(_M_ARENA_MAX, ARENAS)


def trim_memory() -> None:
    """Return the freed memory that the C library keeps to the system, where it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
