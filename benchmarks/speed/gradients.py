"""Integrated gradients against Captum and the research code, Grad-CAM against a full backward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import ceil
from statistics import median
from typing import Any

import torch
from captum import attr
from torch.nn import functional as F

from benchmarks.row import Row, clock
from benchmarks.speed.subject import Subject
from benchmarks.speed.turns import Work, by_turns
from videovisual.attribution import catalogue
from videovisual.attribution.method import Case
from videovisual.attribution.parameters import IntegratedGradientsParameters
from videovisual.engine.engine import run
from videovisual.saliency import Saliency

SEED_STEPS = 25
"""Points of the research code, by the left Riemann rule."""

METHODS = ("integrated_gradients", "grad_cam")

CAPTUM_STEPS = 50
"""Captum's default, Gauss-Legendre points."""

DEFAULT_STEPS = IntegratedGradientsParameters().steps

INTEGRAL_STEPS = 128
"""Midpoints whose map stands for the integral."""

MOST_STEPS = 100
"""Most midpoints that are compared: nearer to `INTEGRAL_STEPS` the rule is compared with itself."""


def _ours(subject: Subject, case: Case, method: str, **given: Any) -> Saliency:
    entry = catalogue.find(method)
    return run(subject.runner, entry.load()(case, entry.parse(given)))


def _unfrozen(subject: Subject, case: Case) -> torch.Tensor:
    """The clip's gradient, with weights that require gradients too."""
    network = subject.classifier.network.requires_grad_(True)
    leaf = case.clip[None].clone().requires_grad_()
    network(leaf)[0, case.target].backward()
    network.requires_grad_(False).zero_grad()
    assert leaf.grad is not None
    return leaf.grad


@dataclass(frozen=True)
class EqualError:
    """How many midpoints reach the error of another rule's map.

    Errors are medians over the clips of the map's absolute distance to the integral's, over the
    integral's absolute sum.

    Attributes:
        points: of our default rule; None where `MOST_STEPS` are not enough.
        error: of our map with these points.
        theirs: the error that is to be reached.
    """

    points: int | None
    error: float
    theirs: float


def equal_error(
    subject: Subject,
    cases: Sequence[Case],
    integrals: Sequence[torch.Tensor],
    theirs: Sequence[torch.Tensor],
) -> EqualError:
    """Search for the number of midpoints whose maps are as near to the integral as `theirs`."""
    goal = map_error(theirs, integrals)
    steps = DEFAULT_STEPS
    while True:
        found = map_error([_ours_map(subject, case, steps=steps) for case in cases], integrals)
        if found <= goal:
            return EqualError(steps, found, goal)
        if steps == MOST_STEPS:
            return EqualError(None, found, goal)
        # The error falls about as fast as the number of points grows.
        steps = min(ceil(steps * max(1.1, found / goal)), MOST_STEPS)


def map_error(maps: Sequence[torch.Tensor], integrals: Sequence[torch.Tensor]) -> float:
    return median(
        float((found - truth).abs().sum() / truth.abs().sum())
        for found, truth in zip(maps, integrals, strict=True)
    )


def integral(subject: Subject, case: Case) -> torch.Tensor:
    """The map of `INTEGRAL_STEPS` midpoints, [T, H, W]."""
    return _ours_map(subject, case, steps=INTEGRAL_STEPS, complete=False)


def captum_map(subject: Subject, case: Case) -> torch.Tensor:
    """Captum's map by its default rule, [T, H, W]."""
    found: torch.Tensor = attr.IntegratedGradients(subject.classifier.network).attribute(
        case.clip[None],
        baselines=_black(case)[None],
        target=case.target,
        n_steps=CAPTUM_STEPS,
        internal_batch_size=1,
    )
    return found[0].sum(dim=0)


def integrated_gradients(subject: Subject, *, rounds: int) -> list[Row]:
    """Our default against Captum's default and 25 left points, as they are and at equal error.

    Seconds are of the first clip, errors are medians over all clips.
    """
    cases = subject.cases()
    integrals = [integral(subject, case) for case in cases]
    ours = {"ours": partial(_ours_map, subject, cases[0])}
    rows = []
    for name, words, rule in (
        ("captum", "Captum's default", captum_map),
        ("seed", f"{SEED_STEPS} left points", _seed_map),
    ):
        maps = [rule(subject, case) for case in cases]
        theirs = {name: partial(rule, subject, cases[0])}
        seconds = by_turns(ours | theirs, rounds, warm=False)
        rows.append(_by_default(subject, words, name, maps, integrals, seconds))
        equal = equal_error(subject, cases, integrals, maps)
        rows.append(_at_equal_error(subject, words, name, equal, seconds[name]))
    return rows


def _by_default(
    subject: Subject,
    words: str,
    name: str,
    maps: Sequence[torch.Tensor],
    integrals: Sequence[torch.Tensor],
    seconds: Mapping[str, float],
) -> Row:
    cases = subject.cases()
    both = {"ours": [_ours_map(subject, case) for case in cases], name: maps}
    sums = {
        side: median(_incomplete(subject, *pair) for pair in zip(cases, found, strict=True))
        for side, found in both.items()
    }
    errors = {side: map_error(found, integrals) for side, found in both.items()}
    return Row(
        f"{subject.name}: `integrated_gradients` against {words}",
        "",
        f"{seconds[name] / seconds['ours']:.1f} × ({clock(seconds['ours'])} against "
        f"{clock(seconds[name])}); sum off by {sums['ours']:.2%} against {sums[name]:.2%}, "
        f"map by {errors['ours']:.0%} against {errors[name]:.0%}",
        None,
        {"seconds": seconds, "sums": sums, "maps": errors, "clips": len(cases)},
    )


def _at_equal_error(
    subject: Subject, words: str, name: str, equal: EqualError, theirs_s: float
) -> Row:
    measure = f"{subject.name}: `integrated_gradients` against {words} at equal error of the map"
    details: dict[str, Any] = asdict(equal)
    if equal.points is None:
        few = f"{MOST_STEPS} points are off by {equal.error:.1%}, not by {equal.theirs:.1%}"
        return Row(measure, "", few, None, details)
    work = partial(_ours_map, subject, subject.cases()[0], steps=equal.points)
    seconds = {**by_turns({"ours": work}, 1, warm=False), name: theirs_s}
    return Row(
        measure,
        "",
        f"{theirs_s / seconds['ours']:.1f} × ({equal.points} points, {clock(seconds['ours'])} "
        f"against {clock(theirs_s)}); map off by {equal.error:.1%} against {equal.theirs:.1%}",
        None,
        {**details, "seconds": seconds},
    )


def _black(case: Case) -> torch.Tensor:
    return case.flat(0.0).expand_as(case.clip)


def _incomplete(subject: Subject, case: Case, attribution: torch.Tensor) -> float:
    """The difference of a map's sum and the logit's rise, over that rise; map [T, H, W]."""
    logits = subject.classifier.logits(torch.stack([_black(case), case.clip]))[:, case.target]
    rise = float(logits[1] - logits[0])
    return abs(float(attribution.sum(dtype=torch.float64)) - rise) / abs(rise)


def _ours_map(subject: Subject, case: Case, **given: Any) -> torch.Tensor:
    return torch.from_numpy(_ours(subject, case, "integrated_gradients", **given).map)


def _seed_map(subject: Subject, case: Case) -> torch.Tensor:
    black = _black(case)
    total = torch.zeros_like(case.clip)
    for step in range(SEED_STEPS):
        point = black + step / SEED_STEPS * (case.clip - black)
        total += _unfrozen(subject, Case(point, case.target, case.card))[0]
    return (total / SEED_STEPS * (case.clip - black)).sum(dim=0)


def alone(subject: Subject, method: str, *, rounds: int) -> Row:
    """Seconds of a method, without a comparison."""
    case = subject.cases()[0]
    seconds = by_turns({"ours": lambda: _ours(subject, case, method)}, rounds)
    return Row(
        f"{subject.name}: `{method}`", "", clock(seconds["ours"]), None, {"seconds": seconds}
    )


def grad_cam(subject: Subject, *, rounds: int) -> Row:
    """Against a backward pass through the whole network."""
    seconds = by_turns(grad_cam_works(subject), rounds)
    ratio = seconds["full"] / seconds["ours"]
    return Row(
        f"{subject.name}: `grad_cam` against a full backward pass",
        "≥ 2.5 ×",
        f"{ratio:.1f} × ({clock(seconds['ours'])} against {clock(seconds['full'])})",
        ratio >= 2.5,
        {"seconds": seconds},
    )


def grad_cam_works(subject: Subject) -> dict[str, Work]:
    """Grad-CAM as published, by our engine and by a full backward pass, for which the weights
    require gradients too."""
    case = subject.cases()[0]
    network = subject.classifier.network
    layer = network.get_submodule(subject.classifier.card.cam_layer)
    kept: list[torch.Tensor] = []

    def full() -> None:
        kept.clear()
        handle = layer.register_forward_hook(lambda _module, _given, out: kept.append(out))
        network.requires_grad_(True)
        leaf = case.clip[None].clone().requires_grad_()
        logits = network(leaf)
        handle.remove()
        kept[0].retain_grad()
        logits[0, case.target].backward()
        network.requires_grad_(False).zero_grad()
        gradient = kept[0].grad
        assert gradient is not None
        weights = gradient.mean(dim=(2, 3, 4), keepdim=True)
        coarse = (weights * kept[0].detach()).sum(dim=1, keepdim=True).relu()
        F.interpolate(coarse, case.clip.shape[1:], mode="trilinear", align_corners=False)

    return {"ours": lambda: _ours(subject, case, "grad_cam", baseline="none"), "full": full}
