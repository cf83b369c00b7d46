"""The default of `ep_3d`: averaged worth, and a descent's mask as far as it can be relied on.

A descent's mask may suit one way of hiding alone, and on a rough network noise changes it. The
worth behind random masks hangs on nothing that a search found, but says little of what a small area
needs; the averaged search goes on from it. Where the descent's mask agrees with it, the mean of all
three marks the evidence more sharply than averaged worth. Where it does not after a few steps, it
is given up.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from videovisual.attribution.method import Case, to_map
from videovisual.attribution.perturbation.hiding import Ways, cut_to, feather
from videovisual.attribution.perturbation.objective import VARIANTS
from videovisual.attribution.perturbation.optimiser import optimise
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import CHECKS, Preset, WorthPreset, random_of
from videovisual.attribution.perturbation.worth import TINY, random_worth, search
from videovisual.engine.probe import Attribution, Probe, Work
from videovisual.engine.progress import Progress
from videovisual.engine.scores import Scores
from videovisual.saliency import Saliency

AGREES = (0.3, 0.4)
"""The correlation with the worth behind random masks from which a descent's mask counts, and from
which it counts in full.

A step in place of the ramp would let noise choose between two different maps."""

TRIED = 1 / 4
"""The share of a descent's steps after which it may be given up.

Its agreement is then nearly that of its end."""

LEAST_TRIED = 10
"""Fewer steps tell nothing: the first mask shows everything."""

GIVEN_UP = 0.25
"""The agreement up to which it is. It is below `AGREES`, since in its other steps it may rise."""

SPOT = 3 / 112
"""Blur of a map in heights of a frame, 6 of 224 pixels, by which spots become the places around
them."""


def combine(
    case: Case, parameters: PerturbationParameters, descent: Preset, worth: WorthPreset
) -> Attribution:
    """From averaged worth to the mean of a descent's map, the worth behind random masks and
    averaged worth, the more the first two agree."""
    iterations = parameters.iterations or descent.iterations
    random, averaged = random_of(iterations), iterations
    passes = worth.passes_of(averaged)
    start = Progress(0, random + iterations + passes)
    behind_random, average = yield from random_worth(case, parameters, random, start)
    steady = torch.from_numpy(behind_random.map).to(case.clip.device)
    facts: dict[str, Any] = {"random_masks": random}
    so_far = {**behind_random.diagnostics, **facts}
    progress = replace(start, step=random, partial=partial(_saliency, steady, so_far))
    tried = max(LEAST_TRIED, round(TRIED * iterations))
    found = yield from _descend(optimise(case, parameters, descent), steady, tried, progress)
    descended, agreement = _scaled(found, steady.device), _agreement(found, steady)
    weight = _ramp(agreement, *AGREES)
    facts["descent_agreement"] = agreement
    if found.diagnostics["partial"]:
        iterations = tried
    values = torch.lerp(steady, descended, weight / 2)
    progress = Progress(
        random + iterations,
        random + iterations + passes,
        partial=partial(_saliency, values, {**found.diagnostics, **facts}, partial=True),
    )
    last = yield from search(
        case, parameters.model_copy(update={"iterations": averaged}), worth, progress, average
    )
    alone = _scaled(last, steady.device)
    values = torch.lerp(alone, (descended + steady + alone) / 3, weight)
    kept = yield from _kept(case, parameters, values)
    places = feather(values[None], SPOT * values.shape[1])[0]
    blurred = yield from _kept(case, parameters, places)
    facts |= {"averaged_share": 1 - weight * 2 / 3, "kept": kept, "kept_blurred": blurred}
    return _saliency(values, (found if weight > 0 else last).diagnostics, **facts)


def _descend(
    descent: Attribution, steady: torch.Tensor, tried: int, before: Progress
) -> Attribution:
    """The map of a descent, or its partial one where it is given up after `tried` steps.

    Args:
        descent: not yet started.
        steady: the worth behind random masks, float32 [T, H, W].
        tried: steps, at least 1.
        before: the progress of what precedes it. Its partial map stays the partial one.
    """
    probe = next(descent)
    while True:
        progress = probe.progress
        assert progress is not None
        if progress.step == tried and progress.partial is not None:
            found = progress.partial()
            if _agreement(found, steady) <= GIVEN_UP:
                descent.close()
                return found
        reading = yield replace(probe, progress=replace(before, step=before.step + progress.step))
        try:
            probe = descent.send(reading)
        except StopIteration as stop:
            whole: Saliency = stop.value
            return whole


def _agreement(found: Saliency, steady: torch.Tensor) -> float:
    """The correlation of a descent's map with the worth behind random masks."""
    return _correlation(_scaled(found, steady.device), steady)


def _scaled(saliency: Saliency, device: torch.device) -> torch.Tensor:
    """A map as a share of its highest value: float32 [T, H, W]."""
    values = torch.from_numpy(saliency.map).to(device)
    return values / values.max().clamp_min(TINY)


def _correlation(one: torch.Tensor, other: torch.Tensor) -> float:
    """Pearson's, of two maps; 0 where one of them is the same everywhere."""
    return torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1].nan_to_num().item()


def _ramp(value: float, start: float, end: float) -> float:
    """0 up to `start`, 1 from `end`, a line between them."""
    return min(1.0, max(0.0, (value - start) / (end - start)))


def _kept(
    case: Case, parameters: PerturbationParameters, values: torch.Tensor
) -> Work[float | None]:
    """How much of the target a map's upper area keeps, or its removal takes, over ways of hiding.

    Args:
        case: the clip and the target.
        parameters: the areas, the variant and the perturbation.
        values: the map, float32 [T, H, W].

    Returns:
        The mean share of the clip's own probability, each at most 1. Raw scores are measured from
        the hidden clip's. None where the clip's own is no higher than nothing.
    """
    areas = list(parameters.area)
    top = cut_to(values.expand(len(areas), -1, -1, -1), areas)
    ways = Ways(case, parameters.perturbation)
    ends = yield Probe(torch.stack([ways[0].fill, case.clip]))
    hidden, whole = ends.probabilities()[:, case.target].tolist()
    nothing = hidden if case.scores is Scores.RAW else 0.0
    if whole <= nothing:
        return None
    shares: list[float] = []
    for way in map(ways.__getitem__, range(CHECKS)):
        for game in VARIANTS[parameters.variant]:
            reading = yield Probe(way.clips(case.clip, game.shown(top)))
            left = (reading.probabilities()[:, case.target] - nothing) / (whole - nothing)
            share = left.clamp(0, 1).mean().item()
            shares.append(1 - share if game.deletes else share)
    return sum(shares) / len(shares)


def _saliency(values: torch.Tensor, facts: Mapping[str, Any], **more: Any) -> Saliency:
    return Saliency(to_map(values), signed=False, diagnostics={**facts, **more})
