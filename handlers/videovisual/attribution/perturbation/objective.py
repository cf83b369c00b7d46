"""The objective of a search: the masks, the games that they play and the terms of their shape."""

from dataclasses import dataclass
from math import exp, expm1, prod

import torch

from videovisual.attribution.method import Case
from videovisual.attribution.perturbation.area import area_term, cut, pixel_count
from videovisual.attribution.perturbation.core import Core
from videovisual.attribution.perturbation.mask import SmoothMasks
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import Preset
from videovisual.engine.probe import Objective


@dataclass(frozen=True)
class Game:
    """The preservation or the deletion game (Fong & Vedaldi 2017, arXiv 1704.03296).

    Attributes:
        name: `preserve`, where only the mask's inside is shown, or `delete`, only its outside.
        objective: of the network, to be maximised.
    """

    name: str
    objective: Objective

    @property
    def deletes(self) -> bool:
        """Whether the mask's inside is hidden."""
        return self.name == "delete"

    def probability(self, gain: float) -> float:
        """The target's probability at a value of the objective."""
        return -expm1(gain) if self.deletes else exp(gain)

    def shown(self, masks: torch.Tensor) -> torch.Tensor:
        """How much of each pixel is shown."""
        return 1 - masks if self.deletes else masks


PRESERVE = Game("preserve", Objective.LOG_PROBABILITY)
DELETE = Game("delete", Objective.LOG_COMPLEMENT)
VARIANTS = {"preserve": (PRESERVE,), "delete": (DELETE,), "dual": (PRESERVE, DELETE)}


class MaskObjective:
    """The masks of all areas and the terms of the objective that don't depend on the clip's pixels.

    Args:
        case: the clip's shape and device.
        parameters: areas and variant.
        preset: the weights of the terms, and the masks' grid.

    Attributes:
        masks: makes full-size masks of coarse ones.
        cells: shape (T, h, w) of a coarse mask.
        games: what the masks have to do.
        goal: the weights of the terms.
        scores: what the network's outputs mean.
    """

    def __init__(self, case: Case, parameters: PerturbationParameters, preset: Preset) -> None:
        frames, height, width = case.clip.shape[1:]
        device = case.clip.device
        self.masks = SmoothMasks(
            height, width, *preset.grid(height), device, halved=preset.halves(height)
        )
        self.games = VARIANTS[parameters.variant]
        self.cells = (frames, *self.masks.cells)
        self.goal = preset.goal
        self.scores = case.scores
        # Each row, a frame or a whole mask, must have the area by itself.
        self._rows = frames if preset.goal.by_frame else 1

        def counts(size: int, rows: int) -> torch.Tensor:
            each = [pixel_count(area, size) for area in parameters.area for _ in range(rows)]
            return torch.tensor(each, device=device)

        self._pixel_counts = counts(frames * height * width // self._rows, self._rows)
        self._core = None
        if preset.goal.core:
            self._core = Core((frames, height, width), *preset.core(frames, height), device)
            self._cell_counts = counts(self._core.size, 1)

    def area(self, masks: torch.Tensor) -> torch.Tensor:
        """The area term [A] of masks [A, T, H, W]."""
        terms = area_term(self._by_row(masks), self._pixel_counts)
        return terms.view(len(masks), -1).mean(dim=1)

    def core(self, masks: torch.Tensor) -> torch.Tensor:
        """The core term [A] of masks [A, T, H, W]; 0 if the goal has none."""
        if self._core is None:
            return masks.new_zeros(len(masks))
        return area_term(self._core(masks), self._cell_counts)

    def hard(self, masks: torch.Tensor) -> torch.Tensor:
        """Masks of only 0 and 1 that have exactly the given areas."""
        return cut(self._by_row(masks), self._pixel_counts).view_as(masks)

    def _by_row(self, masks: torch.Tensor) -> torch.Tensor:
        """[A, T, H, W] → [A * rows, pixels]."""
        return masks.reshape(-1, prod(masks.shape[1:]) // self._rows)
