"""What a search descends: the masks, what they have to do, and the terms of their shape."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

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

    def shown(self, masks: torch.Tensor) -> torch.Tensor:
        """How much of each pixel is shown."""
        return masks if self.name == "preserve" else 1 - masks


PRESERVE = Side("preserve", Objective.LOG_PROBABILITY)
DELETE = Side("delete", Objective.LOG_COMPLEMENT)
VARIANTS = {"preserve": (PRESERVE,), "delete": (DELETE,), "dual": (PRESERVE, DELETE)}


class Landscape:
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
    """

    def __init__(self, case: Case, parameters: PerturbationParameters, preset: Preset) -> None:
        clip, goal = case.clip, preset.goal
        frames, height, width = clip.shape[1:]
        self.masks = SmoothMasks(
            height, width, *preset.grid(height), clip.device, pixel=preset.pixel(height)
        )
        self.sides = VARIANTS[parameters.variant]
        self.cells = (frames, *self.masks.cells)
        self.goal = goal
        self._areas = parameters.area
        self._device = clip.device
        self._rows = frames if goal.by_frame else 1
        self._counts = self._count(frames * height * width // self._rows, self._rows)
        self._core = None
        if goal.core:
            self._core = Core((frames, height, width), *preset.core(frames, height), clip.device)
            self._core_counts = self._count(self._core.size, 1)

    def _count(self, size: int, rows: int) -> torch.Tensor:
        counts = [count_of(area, size) for area in self._areas for _ in range(rows)]
        return torch.tensor(counts, device=self._device)

    def area(self, masks: torch.Tensor) -> torch.Tensor:
        """The area term [A] of masks [A, T, H, W]."""
        terms = area_term(self._by_row(masks), self._counts)
        return terms.view(len(masks), -1).mean(dim=1)

    def core(self, masks: torch.Tensor) -> torch.Tensor:
        """The core term [A] of masks [A, T, H, W]; 0 where the goal has none."""
        if self._core is None:
            return masks.new_zeros(len(masks))
        return area_term(self._core(masks), self._core_counts)

    def hard(self, masks: torch.Tensor) -> torch.Tensor:
        """Masks cut to 0 and 1, of exactly the areas that were asked for."""
        return cut(self._by_row(masks), self._counts).view_as(masks)

    def _by_row(self, masks: torch.Tensor) -> torch.Tensor:
        """[A, T, H, W] → [A * rows, pixels], a row for what must have the area."""
        size = prod(masks.shape[1:]) // self._rows
        return masks.reshape(-1, size)
