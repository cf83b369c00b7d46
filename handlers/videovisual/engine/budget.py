"""The most clips of one step, bounded by memory and by a time that is learned."""

from collections import defaultdict
from dataclasses import dataclass
from math import prod
from typing import Any

from videovisual.engine.batch import Kind

STEP_S = 0.25
"""Target seconds of a step, and so about the longest wait of a classification."""

NEWEST = 0.2
"""Weight of the newest measurement in the moving average."""

COPIES = {"scores": 64, "layer": 96, "gradient": 256, "attention": 256, "apply": 256}
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
        self._costs: defaultdict[tuple[Any, ...], _Cost] = defaultdict(_Cost)

    def room(self, kind: Kind) -> int:
        """The most clips of a step of that kind, at least one."""
        cost = self._costs[kind.cost_key]
        bounds = [self.batch, cost.cap or self.batch]
        if cost.seconds:
            bounds.append(int(self.step_s / cost.seconds))
        if self.memory is not None:
            estimate = prod(kind.shape) * kind.dtype.itemsize * COPIES[kind.name]
            bounds.append(int(self.memory / max(1.0, cost.bytes or estimate)))
        return max(1, min(bounds))

    def seconds(self, kind: Kind) -> float | None:
        """Measured seconds a clip; None before the first pass."""
        return self._costs[kind.cost_key].seconds

    def learn(self, kind: Kind, clips: int, seconds: float, memory: int | None = None) -> None:
        """Record the seconds of a pass of `clips`, and its bytes if they are known."""
        cost = self._costs[kind.cost_key]
        cost.seconds = _average(cost.seconds, seconds / clips)
        if memory:
            cost.bytes = _average(cost.bytes, memory / clips)
        if cost.cap is not None and clips >= cost.cap:
            cost.full_steps += 1
            if cost.full_steps >= GROWTH:
                cost.cap, cost.full_steps = cost.cap + 1, 0

    def halve(self, kind: Kind, clips: int) -> None:
        """Record that a pass of `clips` ran out of memory."""
        cost = self._costs[kind.cost_key]
        cost.cap, cost.full_steps = max(1, clips // 2), 0


@dataclass
class _Cost:
    """Average seconds and bytes a clip, the cap, and the full steps since it last changed."""

    seconds: float | None = None
    bytes: float | None = None
    cap: int | None = None
    full_steps: int = 0


def _average(before: float | None, value: float) -> float:
    return value if before is None else before + NEWEST * (value - before)
