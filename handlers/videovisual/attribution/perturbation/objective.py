"""What a search descends: the masks, what they have to do, and the terms of their shape."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, expm1, prod

import torch

from videovisual.attribution.method import Case
from videovisual.attribution.parameters import PerturbationParameters
from videovisual.attribution.perturbation.area import area_term, count_of, cut
from videovisual.attribution.perturbation.core import Core
from videovisual.attribution.perturbation.mask import SmoothMasks
from videovisual.attribution.perturbation.preset import Preset
from videovisual.engine.probe import Objective


@dataclass(frozen=True)
class Side:
    """One of the two things that a mask can do.

    Attributes:
        name: `preserve`, where only the mask's inside is shown, or `delete`, only its outside.
        objective: what the network is asked for, to be made large.
    """

    name: str
    objective: Objective

    def probability(self, gain: float) -> float:
        """The target's, by what its objective is."""
        return -expm1(gain) if self.deletes else exp(gain)

    def shown(self, masks: torch.Tensor) -> torch.Tensor:
        """How much of each pixel is shown."""
        return 1 - masks if self.deletes else masks

    @property
    def deletes(self) -> bool:
        """Whether the mask's inside is what is hidden."""
        return self.name == "delete"


PRESERVE = Side("preserve", Objective.LOG_PROBABILITY)
DELETE = Side("delete", Objective.LOG_COMPLEMENT)
VARIANTS = {"preserve": (PRESERVE,), "delete": (DELETE,), "dual": (PRESERVE, DELETE)}


class MaskObjective:
    """The terms of the objective, for the masks of all areas at once, whatever the clip shows.

    Args:
        case: the clip's shape and device.
        parameters: areas and variant.
        preset: the weights of the terms, and the masks' grid.

    Attributes:
        masks: makes full-size masks of coarse ones.
        cells: shape (T, h, w) of a coarse mask.
        sides: what the masks have to do.
        goal: the weights of the terms.
        rows: how many parts of a mask have the area, each its own.
        counts: int64 [A * rows], how many of their pixels that is.
        cores: the core term's cells, or None.
        core_counts: int64 [A], how many of them are the area.
    """

    def __init__(self, case: Case, parameters: PerturbationParameters, preset: Preset) -> None:
        clip, goal = case.clip, preset.goal
        frames, height, width = clip.shape[1:]
        self.masks = SmoothMasks(
            height, width, *preset.grid(height), clip.device, halved=preset.halves(height)
        )
        self.sides = VARIANTS[parameters.variant]
        self.cells = (frames, *self.masks.cells)
        self.goal = goal
        self._areas = parameters.area
        self._device = clip.device
        self.rows = frames if goal.by_frame else 1
        self.counts = self._count(frames * height * width // self.rows, self.rows)
        self.cores = None
        if goal.core:
            self.cores = Core((frames, height, width), *preset.core(frames, height), clip.device)
            self.core_counts = self._count(self.cores.size, 1)

    def _count(self, size: int, rows: int) -> torch.Tensor:
        counts = [count_of(area, size) for area in self._areas for _ in range(rows)]
        return torch.tensor(counts, device=self._device)

    def area(self, masks: torch.Tensor) -> torch.Tensor:
        """The area term [A] of masks [A, T, H, W]."""
        terms = area_term(self._by_row(masks), self.counts)
        return terms.view(len(masks), -1).mean(dim=1)

    def core(self, masks: torch.Tensor) -> torch.Tensor:
        """The core term [A] of masks [A, T, H, W]; 0 where the goal has none."""
        if self.cores is None:
            return masks.new_zeros(len(masks))
        return area_term(self.cores(masks), self.core_counts)

    def hard(self, masks: torch.Tensor) -> torch.Tensor:
        """Masks cut to 0 and 1, of exactly the areas that were asked for."""
        return cut(self._by_row(masks), self.counts).view_as(masks)

    def _by_row(self, masks: torch.Tensor) -> torch.Tensor:
        """[A, T, H, W] → [A * rows, pixels], a row for what must have the area."""
        size = prod(masks.shape[1:]) // self.rows
        return masks.reshape(-1, size)
