"""The memory that the C library's allocator keeps."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

from videovisual.engine.memory import ARENAS, LARGE_BYTES, free_memory

COUNT = """
import ctypes, sys, threading
from videovisual.engine.memory import tune_allocator
if sys.argv[1] == "tuned":
    tune_allocator()
# A freed block of up to 32 MiB makes the allocator keep blocks of that size from then on.
large = int(sys.argv[3])
del (first := [bytearray(large)])[:]
second = bytearray(large)
barrier = threading.Barrier(8)
def allocate():
    kept = [bytearray(10_000) for _ in range(100)]
    barrier.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's pools")
def test_threads_share_few_pools_and_large_blocks_lie_outside(tmp_path: Path) -> None:
    def counts(word: str) -> tuple[int, int]:
        report = tmp_path / word
        command = [sys.executable, "-c", COUNT, word, str(report), str(2 * LARGE_BYTES)]
        subprocess.run(command, check=True)
        text = report.read_text()
        outside = re.search(r'<total type="mmap" count="(\d+)"', text)
        assert outside is not None
        return text.count("<heap nr="), int(outside[1])

    pools, outside = counts("untouched")
    assert pools > ARENAS
    fewer, more = counts("tuned")
    assert fewer <= ARENAS
    assert more == outside + 1


def test_clips_that_a_failed_request_holds_are_freed() -> None:
    def fail() -> weakref.ref[np.ndarray]:
        clip = np.zeros((16, 8, 8, 3), np.uint8)
        try:
            raise ValueError("a clip's error")
        except ValueError as error:
            kept = error  # noqa: F841
        return weakref.ref(clip)

    gc.disable()
    try:
        clip = fail()
        assert clip() is not None
        free_memory()
        assert clip() is None
    finally:
        gc.enable()
