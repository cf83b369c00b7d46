"""The search for the cells that keep (or remove) the target however the rest is hidden.

The worth of a cell is its share of the objective's first-order change when the cell is shown:
gradient times what showing it changes, averaged over ways of hiding (expectation over
transformations, Athalye et al. 2018, arXiv 1707.07397). The mask is the area's share of the clip
with the highest worth. The worth is first averaged over random masks, then over the search's own
mask, whose area shrinks from the whole clip to the one asked for. The average runs over the whole
search, so later masks change it little: a mask that follows the last gradients amplifies any noise.
So does a mask that is cut hard. What noise still changes in one search it changes otherwise in the
next, so several that go their own ways have a steadier mean. From it one search goes on, because
the mean of several patterns keeps less of the target than one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

import torch

from videovisual.attribution.method import Case, to_map
from videovisual.attribution.perturbation.cells import Cells
from videovisual.attribution.perturbation.hiding import (
    SOFT_EDGES,
    Blotches,
    Way,
    Ways,
    cut_to,
    feather,
    ramp_to,
)
from videovisual.attribution.perturbation.history import History
from videovisual.attribution.perturbation.objective import VARIANTS
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import WorthPreset
from videovisual.engine.probe import Attribution, Probe, Work
from videovisual.engine.progress import Progress
from videovisual.engine.scores import Scores
from videovisual.saliency import Saliency

SETTLED = 0.8
"""The share of the upper area that must stay the same over the last quarter of a search."""

TINY = 1e-30
"""Keeps a division by the size of a gradient that vanished from being one by 0."""

BETWEEN = 7
"""Ways of hiding from one restart's to the next one's: another fill and another edge."""

LEAST_WEIGHT = 1e-3
"""Of a way behind which the target is far more probable than in the clip."""

SOFT_EDGE = 0.2
"""Width of the soft mask's edge as a multiple of the card's blur: 4 of 224 pixels."""


def search(
    case: Case,
    parameters: PerturbationParameters,
    preset: WorthPreset,
    before: Progress | None = None,
    start: Average | None = None,
) -> Attribution:
    """The map is the worth of showing each pixel, at least 0, as a share of the highest.

    The preset's restarts share each pass and differ in the order of the ways of hiding.

    `before` is the progress of what precedes this search. Its partial map stays the partial one.
    `start` is an average behind random masks. The search then goes on from it and shows none.
    """
    return _WorthSearch(case, parameters, preset).run(before, start)


def random_worth(
    case: Case, parameters: PerturbationParameters, count: int, progress: Progress
) -> Work[tuple[Saliency, Average]]:
    """The mean worth of showing each pixel, behind random masks with soft edges.

    Args:
        case: the clip and the target.
        parameters: the variant, the perturbation and the precision.
        count: of the masks, at least 1.
        progress: before the first of them.

    Returns:
        A partial map, at least 0, as a share of the highest; and the cells' average.
    """
    return (yield from _WorthSearch(case, parameters, WorthPreset()).random(count, progress))


@dataclass(frozen=True)
class Average:
    """The mean worth of the cells over ways of hiding.

    Attributes:
        worth: float32 [N, t, h, w]; N is the number of searches, one for each restart and each
            area of it, or 1 for all of them.
        weight: of all ways, float32 [N, 1, 1, 1].
        count: of the ways.
    """

    worth: torch.Tensor
    weight: torch.Tensor
    count: int

    def add(self, change: _Change) -> Average:
        """The average with one way more."""
        weight = self.weight + change.weight
        worth = self.worth + change.weight / weight * (change.cells - self.worth)
        return Average(worth, weight, self.count + 1)

    def expand(self, searches: int) -> Average:
        """The same for each of several searches."""
        worth, weight = (each.expand(searches, -1, -1, -1) for each in (self.worth, self.weight))
        return Average(worth, weight, self.count)

    def join(self, restarts: int) -> Average:
        """One search for each area, over the ways of all its restarts. Its weight is their mean."""
        weight = self.weight.view(restarts, -1, 1, 1, 1)
        worth = self.worth.view(restarts, -1, *self.worth.shape[1:])
        return Average(
            (worth * (weight / weight.sum(dim=0))).sum(dim=0), weight.mean(dim=0), self.count
        )


@dataclass(frozen=True)
class _Change:
    """What the network says of one way of hiding in each of N searches.

    Attributes:
        cells: the worth of each cell, float32 [N, t, h, w], of mean size 1.
        weight: of this way in the average, float32 [N, 1, 1, 1].
        gains: the first game's objective, [N].
        precision: of the network's products.
    """

    cells: torch.Tensor
    weight: torch.Tensor
    gains: list[float]
    precision: torch.dtype


class _WorthSearch:
    def __init__(self, case: Case, parameters: PerturbationParameters, preset: WorthPreset) -> None:
        self.case, self.parameters, self.preset = case, parameters, preset
        shape: tuple[int, int, int] = tuple(case.clip.shape[1:])  # type: ignore[assignment]
        self.cells = Cells(
            shape,
            preset.cells_of(shape[1]),
            preset.frames_of(shape[0]),
            case.clip.device,
            preset.reach_of(shape[0]),
        )
        self.ways, self.blotches = Ways(case, parameters.perturbation), Blotches(case)
        self.games = VARIANTS[parameters.variant]

    def run(self, before: Progress | None, start: Average | None) -> Attribution:
        of, restarts = self.parameters.iterations or self.preset.iterations, self.preset.restarts
        random, areas = 0 if start else self.preset.random_of(of), self.parameters.area
        searches, apart = restarts * len(areas), random + self.preset.apart_of(of - random)
        total = restarts * random + self.preset.passes_of(of - random)
        first = progress = before or Progress(0, total)
        own, facts = yield from self.ends(progress)
        average = (start or self.nothing()).expand(searches)
        history, joined = History(), average
        earlier, passes = joined, 0
        for iteration in range(of):
            if iteration == apart:
                average, restarts = joined, 1
            if iteration < random:
                shown = self.blotches.draw(average.worth.device).expand(searches, -1, -1, -1)
            else:
                step, steps = iteration - random, apart - random
                at = [self.preset.area_at(step, steps, area) for area in areas] * restarts
                shown = ramp_to(self.cells.enlarge(average.worth), at, self.preset.ramp)
            ways = [self.ways[average.count + number * BETWEEN] for number in range(restarts)]
            change = yield from self.change(shown, ways, own, progress)
            average = average.add(change)
            joined = average.join(restarts)
            passes += restarts
            if iteration == of * 3 // 4:
                earlier = joined
            history.add(-fmean(change.gains), 0.0)
            precision = str(change.precision).removeprefix("torch.")
            facts |= history.diagnostics() | {"precision": precision}
            progress = Progress(
                first.step + passes,
                first.of,
                objective=history.values[-1],
                probability=self._probability(change.gains),
                partial=first.partial
                or partial(self._saliency, joined.worth, dict(facts), partial=True),
            )
        worth = joined.worth
        found = yield from self._probabilities(worth, progress)
        converged = self._settled(worth, earlier.worth)
        return self._saliency(worth, facts, areas=found, converged=converged, partial=False)

    def random(self, count: int, progress: Progress) -> Work[tuple[Saliency, Average]]:
        """See `random_worth`."""
        self.ways = Ways(self.case, self.parameters.perturbation, SOFT_EDGES)
        own, facts = yield from self.ends(progress)
        average = self.nothing()
        for _ in range(count):
            shown = self.blotches.draw(self.case.clip.device)
            change = yield from self.change(shown, [self.ways[average.count]], own, progress)
            average = average.add(change)
            facts["precision"] = str(change.precision).removeprefix("torch.")
            progress = Progress(
                progress.step + 1,
                progress.of,
                probability=self._probability(change.gains),
                partial=partial(self._saliency, average.worth, dict(facts), partial=True),
            )
        return self._saliency(average.worth, facts, partial=True), average

    def nothing(self) -> Average:
        """The average before any way of hiding."""
        worth = torch.zeros(1, *self.cells.shape, device=self.case.clip.device)
        return Average(worth, worth.new_zeros(1, 1, 1, 1), 0)

    def ends(self, progress: Progress) -> Work[tuple[list[float], dict[str, Any]]]:
        """Each game's objective where the mask shows (or hides) everything, and probabilities."""
        ends = torch.stack([self.ways[0].fill, self.case.clip])
        reading = yield Probe(ends, progress=progress)
        hidden, whole = reading.probabilities()[:, self.case.target].tolist()
        own = [
            game.objective.of(reading.logits, self.case.targets(2), self.case.scores).tolist()
            for game in self.games
        ]
        facts = {"probability_clip": whole, "probability_hidden": hidden}
        return [
            both[0 if game.deletes else 1] for game, both in zip(self.games, own, strict=True)
        ], facts

    def change(
        self, shown: torch.Tensor, ways: Sequence[Way], own: list[float], progress: Progress
    ) -> Work[_Change]:
        """The first-order change of all games' objectives, more of those with room to rise.

        Args:
            shown: masks, float32 [N, T, H, W].
            ways: of hiding, each for as many of the masks.
            own: the objective of each game in the clip.
            progress: the search's.
        """
        clip, count = self.case.clip, len(ways)
        change, weight = torch.zeros((), device=shown.device), torch.zeros((), device=shown.device)
        gains: list[list[float]] = []
        for game, most in zip(self.games, own, strict=True):
            masks = game.shown(shown).chunk(count)
            reading = yield Probe(
                torch.cat([way.clips(clip, each) for way, each in zip(ways, masks, strict=True)]),
                self.case.targets(len(shown)),
                game.objective,
                gradient=True,
                folded=True,
                reduced_precision=self.parameters.precision == "auto",
                progress=progress,
            )
            assert reading.gradient is not None
            gradients = reading.gradient.chunk(count)
            pixels = torch.cat(
                [
                    (gradient * (clip - way.fill)).sum(dim=1)
                    for way, gradient in zip(ways, gradients, strict=True)
                ]
            )
            cells = self.cells.reduce(-pixels if game.deletes else pixels)
            gain = game.objective.of(
                reading.logits, self.case.targets(len(shown)), self.case.scores
            )
            share = (
                torch.sigmoid((most - gain) / self.preset.slack)
                .clamp_min(LEAST_WEIGHT)
                .view(-1, 1, 1, 1)
            )
            size = cells.abs().mean(dim=(1, 2, 3), keepdim=True).clamp_min(TINY)
            change = change + share * cells / size
            weight = weight + share
            gains.append(gain.tolist())
        return _Change(change / weight, weight, gains[0], reading.precision)

    def _probabilities(self, worth: torch.Tensor, progress: Progress) -> Work[list[dict[str, Any]]]:
        """For each area: the mask's mean, and the target's probability behind it as it is, with a
        soft edge, and cut hard."""
        hard = cut_to(self.cells.enlarge(worth), list(self.parameters.area))
        soft = feather(hard, SOFT_EDGE * self.case.card.blur_sigma)
        areas: list[dict[str, Any]] = [
            {"area": area, "achieved_area": achieved}
            for area, achieved in zip(
                self.parameters.area, soft.mean(dim=(1, 2, 3)).tolist(), strict=True
            )
        ]
        way = Way(self.ways[0].fill, 0.0)
        for game in self.games:
            shown = game.shown(torch.cat([soft, hard]))
            reading = yield Probe(way.clips(self.case.clip, shown), progress=progress)
            pairs = reading.probabilities()[:, self.case.target].view(2, -1).T.tolist()
            for facts, (behind_soft, behind_hard) in zip(areas, pairs, strict=True):
                facts[f"probability_{game.name}"] = {"soft": behind_soft, "hard": behind_hard}
        return areas

    def _probability(self, gains: list[float]) -> float | None:
        """The mean probability of the target in the first game; None for raw scores."""
        if self.case.scores is Scores.RAW:
            return None
        return fmean(map(self.games[0].probability, gains))

    def _settled(self, worth: torch.Tensor, earlier: torch.Tensor) -> bool:
        """Whether the upper areas are nearly those of an earlier worth."""
        areas = list(self.parameters.area)
        both = [cut_to(self.cells.enlarge(each), areas).flatten(1) for each in (worth, earlier)]
        shares = (both[0] * both[1]).sum(dim=1) / both[0].sum(dim=1)
        return bool((shares >= SETTLED).all())

    def _saliency(self, worth: torch.Tensor, facts: dict[str, Any], **more: Any) -> Saliency:
        values = to_map(self.shares(worth).mean(dim=0))
        return Saliency(values, signed=False, diagnostics=facts | more)

    def shares(self, worth: torch.Tensor) -> torch.Tensor:
        """The worth of each pixel, at least 0, as a share of the area's highest: [A, T, H, W]."""
        field = self.cells.enlarge(worth).clamp_min(0)
        return field / field.amax(dim=(1, 2, 3), keepdim=True).clamp_min(TINY)
