"""Faithfulness of maps, on held-out clips of Motion whose evidence is known."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from statistics import fmean

from benchmarks.faithfulness.measure import Score, Task, measure
from benchmarks.headline.figure import Figure
from benchmarks.headline.plan import Plan

METHODS = ("grad_cam", "ep_3d")
PARTS = 4

VALUES: dict[str, Callable[[Score], float]] = {
    "insertion − deletion": lambda score: score.insertion - score.deletion,
    "pointing": lambda score: score.pointing,
}


def faithfulness(plan: Plan) -> Iterator[Figure]:
    """Mean scores without one quarter of the clips after another.

    Maps are the same in every run, so the spread is that over clips.
    """
    name = plan.models[-1]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=context) as pool:
        for method in METHODS:
            parts = [tuple(range(part, plan.clips, PARTS)) for part in range(PARTS)]
            tasks = [Task(name, method, clips, randomised=0) for clips in parts]
            scores = list(pool.map(measure, tasks))
            for words, value in VALUES.items():
                yield Figure(
                    "faithfulness", f"{name}: {words} of `{method}`", _means(scores, value)
                )


def _means(parts: Sequence[Sequence[Score]], value: Callable[[Score], float]) -> tuple[float, ...]:
    return tuple(
        fmean(value(score) for part in parts if part is not left_out for score in part)
        for left_out in parts
    )
