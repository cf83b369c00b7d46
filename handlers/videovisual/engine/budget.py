"""How many clips a step may hold: bounded by memory, and by a time that is learned."""

from __future__ import annotations

from math import prod
from typing import Any

import torch

from videovisual.engine.batch import Kind

STEP_S = 0.25
"""The time that a step aims at: what a classification waits for at most, give or take a clip."""

NEWEST = 0.2
"""Weight of the newest measurement in the average."""

COPIES = {"scores": 64, "layer": 96, "gradient": 256, "apply": 256}
"""Clips' worth of memory that a pass takes for each clip, until it has been measured."""

GROWTH = 32
"""Full steps without running out of memory after which one more clip is tried."""


class Budget:
    """What is known of the cost of each kind of pass on one device.

    Args:
        batch: the most clips in a step, whatever they cost.
        step_s: seconds that a step should take.
        memory: bytes that a step may take; None for no bound but `batch`.
    """

    def __init__(self, batch: int, step_s: float = STEP_S, memory: int | None = None) -> None:
        self.batch = batch
        self.step_s = step_s
        self.memory = memory
        self._seconds: dict[tuple[Any, ...], float] = {}
        self._bytes: dict[tuple[Any, ...], float] = {}
        self._caps: dict[tuple[Any, ...], int] = {}
        self._full: dict[tuple[Any, ...], int] = {}

    def room(self, kind: Kind) -> int:
        """How many clips a step of that kind may hold, at least one."""
        bounds = [self.batch, self._caps.get(kind.price, self.batch)]
        if seconds := self._seconds.get(kind.price):
            bounds.append(int(self.step_s / seconds))
        if self.memory is not None:
            bounds.append(int(self.memory / self._bytes_each(kind)))
        return max(1, min(bounds))

    def seconds(self, kind: Kind) -> float | None:
        """Time a clip, as learned; None before the first pass."""
        return self._seconds.get(kind.price)

    def learn(self, kind: Kind, clips: int, seconds: float, taken: int | None = None) -> None:
        """Note that a pass of `clips` took so many seconds, and bytes where they are known."""
        _blend(self._seconds, kind.price, seconds / clips)
        if taken:
            _blend(self._bytes, kind.price, taken / clips)
        cap = self._caps.get(kind.price)
        if cap is not None and clips >= cap:
            self._full[kind.price] = self._full.get(kind.price, 0) + 1
            if self._full[kind.price] >= GROWTH:
                self._caps[kind.price] = cap + 1
                self._full[kind.price] = 0

    def halve(self, kind: Kind, clips: int) -> None:
        """Note that `clips` at once were more than the device's memory holds."""
        self._caps[kind.price] = max(1, clips // 2)
        self._full[kind.price] = 0

    def _bytes_each(self, kind: Kind) -> float:
        size = prod(kind.shape) * torch.empty((), dtype=kind.dtype).element_size()
        return max(1.0, self._bytes.get(kind.price, size * COPIES[kind.name]))


def _blend(averages: dict[tuple[Any, ...], float], key: tuple[Any, ...], value: float) -> None:
    before = averages.get(key)
    averages[key] = value if before is None else before + NEWEST * (value - before)
