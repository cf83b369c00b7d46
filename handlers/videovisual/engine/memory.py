"""The memory of this process."""

import ctypes
import os


def resident_bytes() -> int:
    """Physical memory that this process holds; 0 where the system doesn't report it."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def trim_memory() -> None:
    """Return the freed memory that the C library keeps to the system, where it can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
