"""npz files read in several threads at once, as a server reads them."""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from tests.frames import blocks
from tests.unit.clips.makers import npz

from videovisual import Saliency
from videovisual.clips import open_bytes

THREADS, ROUNDS = 4, 400


@pytest.fixture
def _switching() -> Iterator[None]:
    """Threads that change places as often as can be, at every collection of garbage too."""
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()

    def switch(_phase: str, _info: object) -> None:
        time.sleep(0)

    sys.setswitchinterval(1e-6)
    gc.set_threshold(50)
    gc.callbacks.append(switch)
    yield
    gc.callbacks.remove(switch)
    gc.set_threshold(*thresholds)
    sys.setswitchinterval(interval)


def a_clip() -> Callable[[], object]:
    data = npz(frames=blocks(2, 8, 8))
    return lambda: open_bytes(data)


def a_map() -> Callable[[], object]:
    data = Saliency(np.ones((2, 3, 4), np.float32), signed=False).to_npz()
    return lambda: Saliency.from_npz(data)


@pytest.mark.usefixtures("_switching")
@pytest.mark.parametrize("make", [a_clip, a_map])
def test_headers_are_read_in_several_threads(make: Callable[[], Callable[[], object]]) -> None:
    read = make()
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(ROUNDS):
                read()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
