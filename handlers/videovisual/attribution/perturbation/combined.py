"""The default of `ep_3d`: maps of several searches, checked by how much of the target they keep.

A descent's mask may suit one way of hiding alone. The worth behind random masks hangs on nothing
that a search found, but says little of what a small area needs. Where their mean does not keep the
target however the rest is hidden, the averaged search follows, which takes more than both.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch

from videovisual.attribution.method import Case, to_map
from videovisual.attribution.perturbation.hiding import Ways, cut_to
from videovisual.attribution.perturbation.objective import VARIANTS
from videovisual.attribution.perturbation.optimiser import optimise
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import (
    CHECKS,
    Preset,
    WorthPreset,
    averaged_of,
    random_of,
)
from videovisual.attribution.perturbation.worth import TINY, random_worth, search
from videovisual.engine.probe import Attribution, Probe, Work
from videovisual.engine.progress import Progress
from videovisual.engine.scores import Scores
from videovisual.saliency import Saliency

HOLDS = 0.9
"""The share of the target that a map must keep for the search to end without averaged worth."""

EQUAL = 1 / 3
"""The share of averaged worth in the mean of all maps."""

MORE = (0.1, 0.2)
"""From how much more averaged worth keeps than this mean its share grows, and where it is the map.

A step in place of the ramp would let noise choose between two different maps."""


def combine(
    case: Case, parameters: PerturbationParameters, descent: Preset, worth: WorthPreset
) -> Attribution:
    """The mean of a descent's map and the worth behind random masks, if it keeps `HOLDS`.

    Otherwise the mean of both and averaged worth, of which more is taken where it keeps `MORE`.
    """
    iterations = parameters.iterations or descent.iterations
    random, averaged = random_of(iterations), averaged_of(iterations)
    found = yield from optimise(case, parameters, descent, more=random + averaged)
    progress = Progress(
        iterations,
        iterations + random + averaged,
        partial=partial(_saliency, torch.from_numpy(found.map), found.diagnostics, partial=True),
    )
    steady, average = yield from random_worth(case, parameters, random, progress)
    descended = torch.from_numpy(found.map).to(steady.device)
    values = (descended / descended.max().clamp_min(TINY) + steady) / 2
    facts = {**found.diagnostics, "random_masks": random, "averaged_share": 0.0}
    facts["kept"] = kept = yield from _kept(case, parameters, values)
    if kept is None or kept >= HOLDS:
        return _saliency(values, facts)

    progress = Progress(
        iterations + random, progress.of, partial=partial(_saliency, values, facts, partial=True)
    )
    last = yield from search(
        case, parameters.model_copy(update={"iterations": averaged}), worth, progress, average
    )
    alone = torch.from_numpy(last.map).to(steady.device)
    alone = alone / alone.max().clamp_min(TINY)
    kept_alone = yield from _kept(case, parameters, alone)
    kept = yield from _kept(case, parameters, torch.lerp(values, alone, EQUAL))
    assert kept is not None
    assert kept_alone is not None
    share = EQUAL + (1 - EQUAL) * _ramp(kept_alone - kept, *MORE)
    if share == 1:
        return _saliency(alone, last.diagnostics, averaged_share=share, kept=kept_alone)
    values = torch.lerp(values, alone, share)
    if share > EQUAL:
        kept = yield from _kept(case, parameters, values)
    return _saliency(values, facts, averaged_share=share, kept=kept)


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
