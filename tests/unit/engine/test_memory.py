"""The C library's pools of memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from videovisual.engine.memory import ARENAS

COUNT = """
import ctypes, sys, threading
from videovisual.engine.memory import share_arenas
if sys.argv[1] == "share":
    share_arenas()
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
def test_threads_share_few_pools(tmp_path: Path) -> None:
    def pools(word: str) -> int:
        command = [sys.executable, "-c", COUNT, word, str(tmp_path / word)]
        subprocess.run(command, check=True)
        return (tmp_path / word).read_text().count("<heap nr=")

    assert pools("many") > ARENAS
    assert pools("share") <= ARENAS
