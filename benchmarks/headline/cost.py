"""Cost of explanations in one process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from statistics import median

from benchmarks.headline.figure import Figure, repeat
from benchmarks.headline.plan import Plan
from benchmarks.speed import gradients, perturbation
from benchmarks.speed.subject import Subject
from benchmarks.speed.turns import by_turns
from videovisual.attribution.method import Case

METHODS = ("ep_3d", "step")
SHORT_FRAMES = 8
"""Frames of a large network's clip on which points of equal error are counted: half the time."""

POINTS = 4
"""Points of which one repetition measures the seconds."""

BUDGET_S = 30.0
"""Of the repetitions of one figure."""


def search(plan: Plan) -> Iterator[Figure]:
    """Iterations of default searches: against the reference implementation, and their own parts."""
    for name in plan.models:
        subject = Subject.of(name, "cpu")
        # A small network's iterations take milliseconds and vary more.
        count = plan.iterations if name.endswith("-motion") else 1
        for method in METHODS:
            perturbation.iterations(subject, method, "default", 2)  # warm-up
            once = partial(_iterations, subject, method, count)
            ratios, shares = zip(*repeat(once, plan.repetitions, BUDGET_S), strict=True)
            yield Figure(
                "search",
                f"{name}: seconds of an iteration of `{method}`, reference implementation's over "
                "ours",
                ratios,
            )
            yield Figure("search", f"{name}: the network's share of `{method}`", shares)


def _iterations(subject: Subject, method: str, count: int) -> tuple[float, float]:
    """The reference implementation's seconds over ours, and our network's share."""
    ours = perturbation.iterations(subject, method, "default", 4 * count)
    theirs = perturbation.reference_iterations(subject, method, count)
    ratio = median(theirs) / median(each.seconds for each in ours)
    return ratio, perturbation.network_share(ours)


def grad_cam(plan: Plan) -> Iterator[Figure]:
    for name in plan.models:
        works = gradients.grad_cam_works(Subject.of(name, "cpu"))
        by_turns(works, 1)  # warm-up
        turns = 9 if name.endswith("-motion") else 1
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
        subject = Subject.of(name, "cpu")
        cases = [_short(case) for case in islice(subject.cases(), plan.repetitions)]
        integrals = [gradients.integral(subject, case) for case in cases]
        theirs = [gradients.captum_map(subject, case) for case in cases]
        equal = gradients.equal_error(subject, cases, integrals, theirs)
        if equal.points is None:
            raise RuntimeError(f"{name}: {gradients.MOST_STEPS} points miss Captum's error")
        saved = gradients.CAPTUM_STEPS / equal.points
        gradients.seconds_per_point(subject, 1)  # warm-up
        ratios = []
        once = partial(gradients.seconds_per_point, subject, POINTS)
        for ours, captums in repeat(once, plan.repetitions, BUDGET_S):
            ratios.append(median(captums) / median(ours) * saved)
        yield Figure(
            "integrated_gradients",
            f"{name}: seconds of Captum's integrated gradients over ours at equal error of the map",
            tuple(ratios),
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
