"""Time between successive passes of a network: one iteration of a search, or one point of a path.

Neither what happens before the first pass nor what happens after the last one is counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import NamedTuple

from torch import nn

from benchmarks.speed.turns import finish
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Probe, Reading


class Pass(NamedTuple):
    """When a pass of the network began and ended, by `time.perf_counter`."""

    began: float
    ended: float


class Interval(NamedTuple):
    """Seconds from the beginning of a pass to that of the next, and the pass's own part of them."""

    seconds: float
    network: float


@contextmanager
def runner_passes(runner: ModelRunner) -> Iterator[list[Pass]]:
    """Record the passes of our engine that return a gradient."""
    passes: list[Pass] = []
    evaluate = runner.evaluate

    def timed(probe: Probe) -> Reading:
        began = time.perf_counter()
        reading = evaluate(probe)
        if probe.gradient:
            passes.append(Pass(began, time.perf_counter()))
        return reading

    runner.evaluate = timed  # type: ignore[method-assign]
    try:
        yield passes
    finally:
        del runner.evaluate


@contextmanager
def module_passes(network: nn.Module) -> Iterator[list[float]]:
    """Record when each forward pass of a module begins."""
    began: list[float] = []

    def note(_module: nn.Module, _inputs: object) -> None:
        finish()
        began.append(time.perf_counter())

    handle = network.register_forward_pre_hook(note)
    try:
        yield began
    finally:
        handle.remove()


def intervals(passes: list[Pass]) -> list[Interval]:
    return [Interval(b.began - a.began, a.ended - a.began) for a, b in pairwise(passes)]


def gaps(began: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(began)]
