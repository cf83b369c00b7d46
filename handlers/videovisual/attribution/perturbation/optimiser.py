"""The search for masks, which all extremal perturbations share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from statistics import fmean
from typing import Any

import torch

from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case, to_map
from videovisual.attribution.parameters import PerturbationParameters
from videovisual.attribution.perturbation.mask_step import (
    AutogradMaskStep,
    MaskStep,
    RecordedMaskStep,
    StepResult,
)
from videovisual.attribution.perturbation.objective import MaskObjective
from videovisual.attribution.perturbation.preset import Preset
from videovisual.attribution.perturbation.pyramid import Pyramid
from videovisual.engine.probe import Attribution, Probe, Work
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency

COURSE = 100
"""The most points of the objective's course in the diagnostics."""

SETTLED = 0.01

NEIGHBOURHOOD = 1 / 16
"""Of a pixel, as the standard deviation of a Gaussian, in heights of a frame."""


@dataclass(frozen=True)
class Best:
    """The best masks so far, each area's its own.

    Attributes:
        coarse: float32 [A, T, h, w].
        objective: of each area.
    """

    coarse: torch.Tensor
    objective: Sequence[float]

    def or_better(self, coarse: torch.Tensor, objective: Sequence[float]) -> Best:
        """For each area the one of lower objective."""
        pairs = list(zip(objective, self.objective, strict=True))
        better = [new < old for new, old in pairs]
        if all(better):
            return Best(coarse, objective)
        if not any(better):
            return self
        return Best(
            coarse.where(coarse.new_tensor(better).bool().view(-1, 1, 1, 1), self.coarse),
            [new if new < old else old for new, old in pairs],
        )


@dataclass
class Course:
    """How the objective, the mean over the areas, went.

    Attributes:
        values: of every iteration.
        best: the lowest.
        since: the iteration of the last progress that was worth it.
    """

    values: list[float] = field(default_factory=list)
    best: float = float("inf")
    since: int = 0

    def add(self, value: float, progress: float) -> None:
        """Note an iteration's objective; a fall by the share `progress` counts as progress."""
        if value < self.best * (1 - progress):
            self.best, self.since = value, len(self.values)
        self.values.append(value)

    def idle(self) -> int:
        """Iterations since the last progress."""
        return len(self.values) - 1 - self.since

    def settled(self) -> bool:
        """Whether the last tenth of the iterations brought less than 1% of the objective."""
        tail = max(1, len(self.values) // 10)
        before = min(self.values[:-tail], default=float("inf"))
        return min(self.values) > before * (1 - SETTLED)

    def facts(self) -> dict[str, Any]:
        """The iterations, and at most `COURSE` of their objectives, evenly chosen."""
        every = -(-len(self.values) // COURSE)
        return {
            "iterations": len(self.values),
            "course": self.values[::every],
            "course_every": every,
        }


def search(case: Case, parameters: PerturbationParameters, preset: Preset) -> Attribution:
    """Descend from masks that show everything; the map is the mean of all areas' masks.

    A share of the map, `preset.trail`, says how long each place held out in the search. It orders
    what a mask leaves equal, its inside and its outside.

    All areas descend side by side. An iteration asks for the network's gradient at what is seen
    of the clip, and carries it on to the masks' cells itself.
    """
    landscape = MaskObjective(case, parameters, preset)
    pyramid = Pyramid.of(case, parameters.perturbation, preset.blur)
    passage = _passages(case, parameters, preset, landscape, pyramid)
    lowered = preset.lowered and parameters.precision == "auto"
    of = parameters.iterations or preset.iterations
    coarse = torch.ones(len(parameters.area), *landscape.cells, device=case.clip.device)
    velocity: torch.Tensor | None = None
    best = Best(coarse, [inf] * len(coarse))
    trail = torch.zeros_like(coarse)
    course = Course()
    weights = coarse.new_tensor([preset.goal.weights_at(iteration) for iteration in range(of)])
    progress = Progress(0, of)
    for iteration in range(of):
        cored = preset.goal.core_at(iteration) > 0
        felt, precision = yield from _feel(
            case, landscape, passage(cored), coarse, weights[iteration], lowered, progress
        )
        trail += coarse
        objectives, gains = torch.stack([felt.objective, felt.gain]).tolist()
        best = best.or_better(coarse, objectives)
        course.add(fmean(objectives), preset.progress)
        progress = Progress(
            iteration + 1,
            of,
            objective=course.values[-1],
            probability=fmean(map(landscape.sides[0].probability, gains)),
            partial=partial(_partial, landscape, parameters, best, course.facts()),
        )
        if preset.is_over(iteration, of, course.idle()):
            break
        if velocity is None:
            velocity = felt.gradient
        else:
            pull = 1 - preset.dampening
            velocity = torch.add(preset.momentum * velocity, felt.gradient, alpha=pull)
        change = preset.rate_at(iteration, of, coarse[0].numel()) * velocity
        if preset.bound is not None:
            change = change.clamp(-preset.bound, preset.bound)
        coarse = (coarse - change).clamp(0, 1)
    if preset.last:
        best = Best(coarse, best.objective)
    masks = landscape.masks(best.coarse)
    chances = yield from _judge(case, landscape, pyramid, masks, progress)
    areas = [
        own | chance
        for own, chance in zip(_areas(parameters, masks, best), chances["areas"], strict=True)
    ]
    held_out = _spread(landscape.masks(trail / len(course.values)))
    return _saliency(
        torch.lerp(masks, held_out, preset.trail),
        **course.facts(),
        **chances | {"areas": areas},
        converged=course.settled(),
        partial=False,
        precision=str(precision).removeprefix("torch."),
    )


def _spread(masks: torch.Tensor) -> torch.Tensor:
    """Each pixel's neighbourhood in masks [A, T, H, W], as a mean that ends at the border."""
    sigma = NEIGHBOURHOOD * masks.shape[2]
    return blur(masks, sigma) / blur(torch.ones_like(masks), sigma)


def _passages(
    case: Case,
    parameters: PerturbationParameters,
    preset: Preset,
    landscape: MaskObjective,
    pyramid: Pyramid,
) -> Callable[[bool], MaskStep]:
    """The passage while the core term weighs nothing yet, or as soon as it does."""
    targets = case.targets(len(parameters.area))
    if case.recorder is None:
        return lambda cored: AutogradMaskStep(landscape, pyramid, targets, cored)
    key = (preset, parameters.area, parameters.variant)
    return partial(RecordedMaskStep, case.recorder, key, landscape, pyramid, targets)


def _feel(
    case: Case,
    landscape: MaskObjective,
    passage: MaskStep,
    coarse: torch.Tensor,
    weights: torch.Tensor,
    lowered: bool,
    progress: Progress,
) -> Work[tuple[StepResult, torch.dtype]]:
    """What the masks are found to be, and the precision of the network's products."""
    logits, pulls = [], []
    views = passage.there(coarse, weights)
    for side, clips in zip(landscape.sides, views, strict=True):
        reading = yield Probe(
            clips,
            case.targets(len(coarse)),
            side.objective,
            gradient=True,
            quick=True,
            lowered=lowered,
            progress=progress,
        )
        assert reading.gradient is not None
        logits.append(reading.logits)
        pulls.append(reading.gradient)
    return passage.back(logits, pulls), reading.precision


def _judge(
    case: Case, landscape: MaskObjective, pyramid: Pyramid, masks: torch.Tensor, progress: Progress
) -> Work[dict[str, Any]]:
    """The target's probability behind each area's mask as it is and cut hard, and without one."""
    ends = yield Probe(pyramid.ends(), progress=progress)
    hidden, whole = ends.probabilities()[:, case.target].tolist()
    areas: list[dict[str, Any]] = [{} for _ in masks]
    both = torch.cat([masks, landscape.hard(masks)])
    for side in landscape.sides:
        reading = yield Probe(pyramid(side.shown(both)), progress=progress)
        chances = reading.probabilities()[:, case.target].view(2, -1).T.tolist()
        for facts, (soft, hard) in zip(areas, chances, strict=True):
            facts[f"probability_{side.name}"] = {"soft": soft, "hard": hard}
    return {"probability_clip": whole, "probability_hidden": hidden, "areas": areas}


def _partial(
    landscape: MaskObjective, parameters: PerturbationParameters, best: Best, facts: dict[str, Any]
) -> Saliency:
    masks = landscape.masks(best.coarse)
    return _saliency(masks, **facts, areas=_areas(parameters, masks, best), partial=True)


def _areas(
    parameters: PerturbationParameters, masks: torch.Tensor, best: Best
) -> list[dict[str, Any]]:
    """Of each area: what was asked for, the visible mask's mean, and the objective."""
    achieved = masks.mean(dim=(1, 2, 3)).tolist()
    columns = zip(parameters.area, achieved, best.objective, strict=True)
    return [
        {"area": area, "achieved_area": mean, "objective": objective}
        for area, mean, objective in columns
    ]


def _saliency(masks: torch.Tensor, **diagnostics: Any) -> Saliency:
    return Saliency(to_map(masks.mean(dim=0)), signed=False, diagnostics=diagnostics)
