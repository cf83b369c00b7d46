"""A plain reference of the published searches: neighbourhoods unfolded at full size, autograd
through everything, and torch's own SGD.

Fong, Patrick & Vedaldi 2019, arXiv 1910.08485, and Li et al. 2021, arXiv 2005.00375. Tests and
benchmarks compare the searches of `videovisual` with it.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case
from videovisual.attribution.perturbation.area import area_term
from videovisual.attribution.perturbation.core import ellipsoid
from videovisual.attribution.perturbation.mask import INVERSE_TEMPERATURE
from videovisual.attribution.perturbation.preset import Preset


class UnfoldedMasks:
    """Smooth masks by a table of weights for each pixel, [neighbours, H, W]."""

    def __init__(
        self, height: int, width: int, step: int, sigma: float, device: torch.device | str = "cpu"
    ) -> None:
        self.size, self.step = (height, width), step
        self.cells = (ceil(height / step), ceil(width / step))
        self.reach = 1 + ceil(sigma / step)
        self.weights = self._weights(sigma).to(device)

    def _weights(self, sigma: float) -> torch.Tensor:
        offsets = torch.arange(-self.reach, self.reach + 1)
        along = []
        for cells in self.cells:
            pixel = torch.arange(cells * self.step)
            cell = (pixel // self.step + offsets[:, None]) * self.step
            along.append((pixel - cell).double() ** 2)
        rows, columns = along
        distance = (rows[:, None, :, None] + columns[None, :, None, :]).sqrt() / sigma
        kernel = torch.exp(-2 * (distance - 0.5).clamp(min=0) ** 2)
        return kernel.flatten(0, 1).float()

    def __call__(self, coarse: torch.Tensor) -> torch.Tensor:
        """[T, h, w] → [T, H, W]."""
        frames = len(coarse)
        side = 2 * self.reach + 1
        around = F.unfold(F.pad(coarse, (self.reach,) * 4)[:, None], side)
        around = around.view(frames, side**2, *self.cells)
        large = F.interpolate(around, scale_factor=self.step, mode="nearest")
        values = self.weights * large
        full = ((INVERSE_TEMPERATURE * values).softmax(dim=1) * values).sum(dim=1)
        return full[:, : self.size[0], : self.size[1]]


def distance(rows: torch.Tensor, area: float) -> torch.Tensor:
    """Mean squared distance of each sorted row to a step whose last share `area` is 1.

    By `area_term`, which `test_area` compares with a sort. A sort would give the gradient of tied
    values to any of them, and a search starts with many ties.
    """
    counts = torch.full((len(rows),), round(area * rows.shape[1]), device=rows.device)
    return area_term(rows, counts).mean()


def sorted_distance(rows: torch.Tensor, area: float) -> torch.Tensor:
    """The same distance by sorting."""
    size = rows.shape[1]
    step = (torch.arange(size) >= size - round(area * size)).to(rows)
    return (rows.sort(dim=1).values - step).square().mean()


def cells(mask: torch.Tensor, frames: int, side: int) -> torch.Tensor:
    """The mean of a mask [T, H, W] in the ellipsoid of each cell."""
    kernel = ellipsoid(frames, side).to(mask.device)[None, None]
    margin = []
    for size in (mask.shape[2], mask.shape[1]):
        missing = -size % side
        margin += [missing // 2, missing - missing // 2]
    margin += [frames // 2] * 2
    sums = [
        F.conv3d(F.pad(each, margin)[None, None], kernel, stride=(1, side, side))
        for each in (mask, torch.ones_like(mask))
    ]
    return (sums[0] / sums[1]).flatten()


def faded(clip: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return clip * mask


def blurred(clip: torch.Tensor, mask: torch.Tensor, sigma: float) -> torch.Tensor:
    """Interpolate between the two of eight blurs that are nearest in strength."""
    levels = torch.stack([blur(clip, sigma * (1 - level / 7)) for level in range(8)])
    height = mask.detach() * 7
    lower = height.floor().clamp(0, 6).long()
    share = mask * 7 - lower
    index = lower.expand(1, 3, *mask.shape)
    below, above = levels.gather(0, index)[0], levels.gather(0, index + 1)[0]
    return (1 - share) * below + share * above


def search(
    network: nn.Module,
    case: Case,
    preset: Preset,
    area: float,
    iterations: int,
    variant: str,
    perturbation: str,
    generator: Callable[[int, int, int, float, torch.device], Any] = UnfoldedMasks,
) -> torch.Tensor:
    """The mask [T, H, W] after `iterations` of the published search."""
    goal = preset.goal
    frames, height, width = case.clip.shape[1:]
    device = case.clip.device
    masks = generator(height, width, *preset.grid(height), device)
    coarse = torch.ones(frames, *masks.cells, requires_grad=True, device=device)
    descent = torch.optim.SGD(
        [coarse], lr=preset.rate, momentum=preset.momentum, dampening=preset.dampening
    )

    def perturbed(mask: torch.Tensor) -> torch.Tensor:
        if perturbation == "fade":
            return faded(case.clip, mask)
        return blurred(case.clip, mask, preset.blur or case.card.blur_sigma)

    for iteration in range(iterations):
        mask = masks(coarse)
        loss = torch.zeros((), device=device)
        if variant in ("preserve", "dual"):
            logits = network(perturbed(mask)[None])
            loss = loss - goal.score * logits.log_softmax(dim=1)[0, case.target]
        if variant in ("delete", "dual"):
            logits = network(perturbed(1 - mask)[None])
            loss = loss - goal.score * (1 - logits.softmax(dim=1)[0, case.target]).log()
        rows = mask.reshape(frames if goal.by_frame else 1, -1)
        loss = loss + goal.area * goal.growth**iteration * distance(rows, area)
        if goal.core and iteration >= goal.core_from:
            values = cells(mask, *preset.core(frames, height))
            loss = loss + goal.core * distance(values[None], area)
        (coarse.grad,) = torch.autograd.grad(loss, coarse)
        descent.step()
        with torch.no_grad():
            coarse.clamp_(0, 1)
    final: torch.Tensor = masks(coarse).detach()
    return final
