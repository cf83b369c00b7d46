"""The most clips of one step, bounded by memory and by a time that is learned."""

from __future__ import annotations

from math import prod
from typing import Any

from videovisual.engine.batch import Kind

STEP_S = 0.25
"""Target seconds of a step, and so about the longest wait of a classification."""

NEWEST = 0.2
"""Weight of the newest measurement in the moving average."""

COPIES = {"scores": 64, "layer": 96, "gradient": 256, "apply": 256}
"""Estimated memory of a pass, in clips for each of its clips, until it has been measured."""

GROWTH = 32
"""Full steps without running out of memory after which the cap grows by one clip."""


class Budget:
    """The measured cost of each kind of pass on one device.

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
        self._full_steps: dict[tuple[Any, ...], int] = {}

    def room(self, kind: Kind) -> int:
        """The most clips of a step of that kind, at least one."""
        bounds = [self.batch, self._caps.get(kind.cost_key, self.batch)]
        if seconds := self._seconds.get(kind.cost_key):
            bounds.append(int(self.step_s / seconds))
        if self.memory is not None:
            bounds.append(int(self.memory / self._bytes_per_clip(kind)))
        return max(1, min(bounds))

    def seconds(self, kind: Kind) -> float | None:
        """Measured seconds a clip; None before the first pass."""
        return self._seconds.get(kind.cost_key)

    def learn(self, kind: Kind, clips: int, seconds: float, memory: int | None = None) -> None:
        """Record the seconds of a pass of `clips`, and its bytes if they are known."""
        key = kind.cost_key
        _average(self._seconds, key, seconds / clips)
        if memory:
            _average(self._bytes, key, memory / clips)
        cap = self._caps.get(key)
        if cap is not None and clips >= cap:
            self._full_steps[key] = self._full_steps.get(key, 0) + 1
            if self._full_steps[key] >= GROWTH:
                self._caps[key] = cap + 1
                self._full_steps[key] = 0

    def halve(self, kind: Kind, clips: int) -> None:
        """Record that a pass of `clips` ran out of memory."""
        self._caps[kind.cost_key] = max(1, clips // 2)
        self._full_steps[kind.cost_key] = 0

    def _bytes_per_clip(self, kind: Kind) -> float:
        size = prod(kind.shape) * kind.dtype.itemsize
        return max(1.0, self._bytes.get(kind.cost_key, size * COPIES[kind.name]))


def _average(averages: dict[tuple[Any, ...], float], key: tuple[Any, ...], value: float) -> None:
    before = averages.get(key)
    averages[key] = value if before is None else before + NEWEST * (value - before)
