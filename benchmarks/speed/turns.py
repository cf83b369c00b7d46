"""Timing by turns, so that other load on the machine slows both sides alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median

import torch

Work = Callable[[], object]


def finish() -> None:
    """Wait until the GPU has finished, if this process has used one."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.synchronize()


def by_turns(works: Mapping[str, Work], rounds: int, warm: bool = True) -> dict[str, float]:
    """Median seconds of each piece of work, after an uncounted first turn unless not `warm`."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + warm):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            finish()
            if turn >= warm:
                seconds[name].append(time.perf_counter() - began)
    return {name: median(values) for name, values in seconds.items()}
