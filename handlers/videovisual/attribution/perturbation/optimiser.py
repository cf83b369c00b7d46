"""The search for masks, which all extremal perturbations share."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from statistics import fmean
from typing import Any

import torch

from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case, to_map
from videovisual.attribution.perturbation.history import History
from videovisual.attribution.perturbation.mask_step import (
    AutogradMaskStep,
    MaskStep,
    RecordedMaskStep,
    StepResult,
)
from videovisual.attribution.perturbation.objective import MaskObjective
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import Preset
from videovisual.attribution.perturbation.pyramid import Pyramid
from videovisual.engine.probe import Attribution, Probe, Work
from videovisual.engine.progress import Progress
from videovisual.engine.scores import Scores
from videovisual.saliency import Saliency

SMOOTHING = 1 / 16
"""Standard deviation, in heights of a frame, of the blur of the iterations' mean mask."""


@dataclass(frozen=True)
class Best:
    """The best mask of each area so far.

    Attributes:
        coarse: float32 [A, T, h, w].
        objective: of each area.
    """

    coarse: torch.Tensor
    objective: Sequence[float]

    def updated(self, coarse: torch.Tensor, objective: Sequence[float]) -> "Best":
        """For each area the mask with the lower objective."""
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


def optimise(case: Case, parameters: PerturbationParameters, preset: Preset) -> Attribution:
    """Minimise the objective by gradient descent from masks that show everything.

    The map is the mean of all areas' masks, which are optimised side by side. A share of the map,
    `preset.mean_share`, is the mean mask over all iterations. It orders the pixels that a final
    mask leaves equal, inside and outside, by how long the search kept them.
    """
    return _Search(case, parameters, preset).run()


class _Search:
    def __init__(self, case: Case, parameters: PerturbationParameters, preset: Preset) -> None:
        self.case, self.parameters, self.preset = case, parameters, preset
        self.objective = MaskObjective(case, parameters, preset)
        self.pyramid = Pyramid.of(case, parameters.perturbation, preset.blur)
        targets = case.targets(len(parameters.area))
        self.step: MaskStep = AutogradMaskStep(self.objective, self.pyramid, targets)
        if case.recorder is not None:
            key = (preset, parameters.area, parameters.variant)
            self.step = RecordedMaskStep(case.recorder, key, self.objective, self.pyramid, targets)

    def run(self) -> Attribution:
        preset, of = self.preset, self.parameters.iterations or self.preset.iterations
        areas = len(self.parameters.area)
        coarse = torch.ones(areas, *self.objective.cells, device=self.case.clip.device)
        weights = coarse.new_tensor([preset.goal.weights_at(iteration) for iteration in range(of)])
        velocity: torch.Tensor | None = None
        best, total, history = Best(coarse, [inf] * areas), torch.zeros_like(coarse), History()
        progress = Progress(0, of)
        for iteration in range(of):
            result, precision = yield from self._evaluate(coarse, weights[iteration], progress)
            total += coarse
            objectives, gains = torch.stack([result.objective, result.gain]).tolist()
            best = best.updated(coarse, objectives)
            history.add(fmean(objectives), preset.progress)
            facts = history.diagnostics() | {"precision": str(precision).removeprefix("torch.")}
            progress = Progress(
                iteration + 1,
                of,
                objective=history.values[-1],
                probability=self._mean_probability(gains),
                partial=partial(self._partial, best, facts),
            )
            if preset.should_stop(iteration, of, history.stalled()):
                break
            if velocity is None:
                velocity = result.gradient
            else:
                share = 1 - preset.dampening
                velocity = torch.add(preset.momentum * velocity, result.gradient, alpha=share)
            change = preset.rate_at(iteration, of, coarse[0].numel()) * velocity
            if preset.bound is not None:
                change = change.clamp(-preset.bound, preset.bound)
            coarse = (coarse - change).clamp(0, 1)
        if preset.last:
            best = Best(coarse, best.objective)
        masks = self.objective.masks(best.coarse)
        probabilities = yield from self._probabilities(masks, progress)
        pairs = zip(self._areas(masks, best), probabilities["areas"], strict=True)
        mean_mask = _smooth(self.objective.masks(total / len(history.values)))
        values = torch.lerp(masks, mean_mask, preset.mean_share).mean(dim=0)
        return _saliency(
            values,
            **facts,
            **probabilities | {"areas": [area | probability for area, probability in pairs]},
            converged=history.converged(),
            partial=False,
        )

    def _mean_probability(self, gains: Sequence[float]) -> float | None:
        """The target's probability in the first game, averaged over the areas; None for raw
        scores."""
        if self.objective.scores is Scores.RAW:
            return None
        return fmean(map(self.objective.games[0].probability, gains))

    def _evaluate(
        self, coarse: torch.Tensor, weights: torch.Tensor, progress: Progress
    ) -> Work[tuple[StepResult, torch.dtype]]:
        """The value of the masks, and the precision of the network's products."""
        logits, gradients = [], []
        games = self.objective.games
        for game, clips in zip(games, self.step.forward(coarse, weights), strict=True):
            reading = yield Probe(
                clips,
                self.case.targets(len(coarse)),
                game.objective,
                gradient=True,
                folded=True,
                reduced_precision=self.preset.reduced_precision
                and self.parameters.precision == "auto",
                progress=progress,
            )
            assert reading.gradient is not None
            logits.append(reading.logits)
            gradients.append(reading.gradient)
        return self.step.backward(logits, gradients), reading.precision

    def _probabilities(self, masks: torch.Tensor, progress: Progress) -> Work[dict[str, Any]]:
        """The target's probability for the clip shown and hidden, and for soft and hard masks."""
        target = self.case.target
        ends = yield Probe(self.pyramid.ends(), progress=progress)
        hidden, whole = ends.probabilities()[:, target].tolist()
        areas: list[dict[str, Any]] = [{} for _ in masks]
        both = torch.cat([masks, self.objective.hard(masks)])
        for game in self.objective.games:
            reading = yield Probe(self.pyramid(game.shown(both)), progress=progress)
            pairs = reading.probabilities()[:, target].view(2, -1).T.tolist()
            for area, (soft, hard) in zip(areas, pairs, strict=True):
                area[f"probability_{game.name}"] = {"soft": soft, "hard": hard}
        return {"probability_clip": whole, "probability_hidden": hidden, "areas": areas}

    def _partial(self, best: Best, diagnostics: dict[str, Any]) -> Saliency:
        masks = self.objective.masks(best.coarse)
        return _saliency(
            masks.mean(dim=0), **diagnostics, areas=self._areas(masks, best), partial=True
        )

    def _areas(self, masks: torch.Tensor, best: Best) -> list[dict[str, Any]]:
        """For each area: the requested area, the visible mask's mean, and the objective."""
        achieved = masks.mean(dim=(1, 2, 3)).tolist()
        rows = zip(self.parameters.area, achieved, best.objective, strict=True)
        return [dict(zip(("area", "achieved_area", "objective"), row, strict=True)) for row in rows]


def _smooth(masks: torch.Tensor) -> torch.Tensor:
    """Masks [A, T, H, W] blurred; at the border only pixels inside of the frame count."""
    sigma = SMOOTHING * masks.shape[2]
    return blur(masks, sigma) / blur(torch.ones_like(masks), sigma)


def _saliency(values: torch.Tensor, **diagnostics: Any) -> Saliency:
    return Saliency(to_map(values), signed=False, diagnostics=diagnostics)
