"""Cost of explanations in one process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice
from statistics import median
from typing import TypeVar

from benchmarks.headline.figure import Figure, repeat
from benchmarks.headline.plan import Plan
from benchmarks.speed import gradients, perturbation
from benchmarks.speed.intervals import gaps, intervals, module_passes, runner_passes
from benchmarks.speed.subject import Subject
from benchmarks.speed.turns import by_turns
from videovisual.attribution.method import Case

T = TypeVar("T")

METHODS = ("ep_3d", "step")
MORE = 5
"""How many times as often the iterations of small networks are measured."""

MOST_FRAMES = 16
"""Of a clip: the ratios of a network's searches and passes need no more, and I3D takes 48."""

SHORT_FRAMES = 8
"""Frames of a large network's clip on which points of equal error are counted: half the time."""

PARTS = 5
"""Repetitions into which the points of a path are divided."""

BUDGET_S = 30.0
"""Of the repetitions of one figure."""


@lru_cache
def _subject(name: str) -> Subject:
    subject = Subject.of(name, "cpu")
    return replace(subject, clips=[clip[:, :MOST_FRAMES] for clip in subject.clips])


def search(plan: Plan) -> Iterator[Figure]:
    """Iterations of default searches: against the reference implementation, and their own parts."""
    for name in plan.models:
        subject = _subject(name)
        for method in METHODS:
            # Iterations of a small network take milliseconds and vary more.
            times = MORE if name.endswith("-motion") else 1
            count = plan.iterations * times
            ours = partial(perturbation.iterations, subject, method, "quick", count)
            ours()  # warm-up
            before = ours()
            theirs = perturbation.reference_iterations(
                subject, method, plan.reference_iterations * times
            )
            after = ours()
            each = median(interval.seconds for interval in before + after)
            yield Figure(
                "search",
                f"{name}: seconds of an iteration of `{method}`, reference implementation's over "
                "ours",
                tuple(median(part) / each for part in parts(theirs, plan.reference_iterations)),
            )
            yield Figure(
                "search",
                f"{name}: the network's share of `{method}`",
                tuple(map(perturbation.network_share, parts(before + after, plan.iterations))),
            )


def parts(values: Sequence[T], count: int) -> list[Sequence[T]]:
    """Every `count`-th value, from each of the first `count` on."""
    return [values[start::count] for start in range(count)]


def grad_cam(plan: Plan) -> Iterator[Figure]:
    for name in plan.models:
        works = gradients.grad_cam_works(_subject(name))
        by_turns(works, 1)  # warm-up
        turns = MORE if name.endswith("-motion") else 1
        once = partial(by_turns, works, turns, warm=False)
        yield Figure(
            "grad_cam",
            f"{name}: seconds of a full backward pass over Grad-CAM's",
            tuple(
                seconds["full"] / seconds["ours"]
                for seconds in repeat(once, plan.repetitions + 2, BUDGET_S)
            ),
        )


def integrated_gradients(plan: Plan) -> Iterator[Figure]:
    """Seconds of Captum's default over ours with as many points as reach the same error."""
    for name in plan.models:
        subject = _subject(name)
        cases = [_short(case) for case in islice(subject.cases(), plan.repetitions)]
        integrals = [gradients.integral(subject, case) for case in cases]
        with module_passes(subject.classifier.network) as began:
            maps = [gradients.captum_map(subject, case) for case in cases]
        with runner_passes(subject.runner) as passes:
            equal = gradients.equal_error(subject, cases, integrals, maps)
        if equal.points is None:
            raise RuntimeError(f"{name}: {gradients.MOST_STEPS} points miss Captum's error")
        theirs = map(median, parts(gaps(began), PARTS))
        ours = (median(each.seconds for each in part) for part in parts(intervals(passes), PARTS))
        yield Figure(
            "integrated_gradients",
            f"{name}: points of integrated gradients for the error of Captum's "
            f"{gradients.CAPTUM_STEPS}",
            (float(equal.points),),
            better="lower",
        )
        yield Figure(
            "integrated_gradients",
            f"{name}: seconds of Captum's integrated gradients over ours at equal error of the map",
            tuple(
                gradients.CAPTUM_STEPS * each / (equal.points * own)
                for each, own in zip(theirs, ours, strict=True)
            ),
        )


def _short(case: Case) -> Case:
    frames = case.clip.shape[1]
    large = case.clip.shape[-1] > 64
    return replace(case, clip=case.clip[:, : SHORT_FRAMES if large else frames])


def memory(plan: Plan) -> Iterator[Figure]:
    """Peak memory of a process that searches over one that runs the network as torch does."""
    name = plan.models[0]

    def once() -> float:
        ours = perturbation.peak(name, "cpu", "ep_3d")
        return ours / perturbation.peak(name, "cpu", None)

    yield Figure(
        "memory",
        f"{name}: peak memory of an `ep_3d` search over a forward and backward pass",
        tuple(repeat(once, plan.repetitions, 2 * BUDGET_S)),
        better="lower",
    )
