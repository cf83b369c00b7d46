"""A search's passage by compiled loops, for clips so small that torch's operators are felt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from videovisual.attribution.perturbation.core import Core
from videovisual.attribution.perturbation.kernels.area import area_terms
from videovisual.attribution.perturbation.kernels.compiling import Floats
from videovisual.attribution.perturbation.kernels.core import core_pull, core_sums
from videovisual.attribution.perturbation.kernels.masks import (
    doubled,
    doubled_pull,
    soft_maxima,
    soft_maxima_pull,
)
from videovisual.attribution.perturbation.kernels.pyramid import shown, shown_pull
from videovisual.attribution.perturbation.landscape import Landscape
from videovisual.attribution.perturbation.mask import SmoothMasks
from videovisual.attribution.perturbation.passage import Felt
from videovisual.attribution.perturbation.pyramid import Pyramid


class Compiled:
    """See `Passage`; one serves a whole search, and keeps its room from iteration to iteration.

    Args:
        landscape: masks and terms.
        pyramid: what they do to the clip.
        targets: int64 [A].
    """

    def __init__(self, landscape: Landscape, pyramid: Pyramid, targets: torch.Tensor) -> None:
        self._landscape, self._targets = landscape, targets
        self._levels = pyramid.levels()[:-1].flatten(2).numpy()
        self._rises = pyramid.rises.flatten(2).numpy()
        shape = (len(targets), *pyramid.base.shape[1:])
        self._masks, self._gradient = np.empty(shape, np.float32), np.empty(shape, np.float32)
        self._full = _Full(landscape.masks, shape[0] * shape[1])
        self._cores = None
        if landscape.cores is not None:
            self._cores = _Cores(landscape.cores, landscape.core_counts, shape[-1])

    def there(self, coarse: torch.Tensor, weights: torch.Tensor) -> Sequence[torch.Tensor]:
        """See `Passage`."""
        areas, frames, rows, columns = self._masks.shape
        self._weights = weights.tolist()
        self._full.there(
            coarse.flatten(0, 1).numpy(), self._masks.reshape(areas * frames, rows, columns)
        )
        masks = self._masks.reshape(areas, -1)
        views = [torch.empty(areas, 3, frames, rows, columns) for _ in self._landscape.sides]
        for side, view in zip(self._landscape.sides, views, strict=True):
            clips = view.flatten(2).numpy()
            shown(masks, self._levels, self._rises, side.deletes, clips)
        return views

    def back(self, logits: Sequence[torch.Tensor], pulls: Sequence[torch.Tensor]) -> Felt:
        """See `Passage`."""
        objective = torch.from_numpy(self._shape())
        masks, gradient = (each.reshape(len(each), -1) for each in (self._masks, self._gradient))
        goal, sides = self._landscape.goal, self._landscape.sides
        gains = []
        for side, scores, pull in zip(sides, logits, pulls, strict=True):
            gains.append(side.objective.of(scores, self._targets))
            objective = objective.sub(gains[-1], alpha=goal.score)
            pulled = pull.contiguous().flatten(2).numpy()
            weight = np.float32(-goal.score)
            shown_pull(pulled, masks, self._rises, side.deletes, weight, gradient)
        areas, frames, rows, columns = self._masks.shape
        coarse = self._full.back(self._gradient.reshape(areas * frames, rows, columns))
        coarse = coarse.view(areas, frames, *coarse.shape[1:])
        return Felt(objective, coarse, gains[0])

    def _shape(self) -> Floats:
        """The area and the core term by their final weights [A]; the gradient becomes that of both,
        as they weigh now."""
        landscape, (weight, core_weight) = self._landscape, self._weights
        parts = len(self._masks) * landscape.rows
        terms = np.empty(parts)
        area_terms(
            self._masks.reshape(parts, -1),
            landscape.counts.numpy(),
            np.float32(weight / landscape.rows),
            self._gradient.reshape(parts, -1),
            terms,
        )
        goal = landscape.goal
        shape = goal.area * terms.reshape(-1, landscape.rows).mean(axis=1)
        if self._cores is not None:
            shape += goal.core * self._cores.feel(self._masks, core_weight, self._gradient)
        return np.asarray(shape, np.float32)


class _Cores:
    """The core term; see `Core`."""

    def __init__(self, core: Core, counts: torch.Tensor, width: int) -> None:
        # An ellipsoid is the same on both sides of its middle, and each of its rows is one run.
        half = core.ellipsoid[len(core.ellipsoid) // 2 :]
        begin = half.argmax(dim=2)
        runs = torch.stack([begin, begin + half.sum(dim=2).long()], dim=2)
        (left, _), (self._over, _) = core.margins
        side, columns = half.shape[2], core.volume.shape[3]
        starts = torch.arange(columns) * side - left
        ends = starts[:, None] + runs[:, :, None]
        self._runs = ends.clamp(0, width).int().numpy()
        self._volume = core.volume[0].numpy()
        self._counts = counts.numpy()

    def feel(self, masks: Floats, weight: float, gradient: Floats) -> NDArray[np.float64]:
        """The term [A] of masks [A, T, H, W]; `weight` times its gradient is added to another."""
        means = np.empty((len(masks), *self._volume.shape), np.float32)
        core_sums(masks, self._runs, self._over, means)
        means /= self._volume
        terms, pull = np.empty(len(masks)), np.empty_like(means)
        values, slopes = (each.reshape(len(masks), -1) for each in (means, pull))
        area_terms(values, self._counts, np.float32(weight), slopes, terms)
        if weight:
            pull /= self._volume
            core_pull(pull, self._runs, self._over, gradient)
        return terms


class _Full:
    """Coarse masks to full size, and gradients back.

    Args:
        masks: how.
        count: of masks.
    """

    def __init__(self, masks: SmoothMasks, count: int) -> None:
        near = masks.neighbourhood
        step, (rows, columns), radius = near.distance.shape[0], masks.cells, masks.radius
        framed = (rows + 2 * radius, columns + 2 * radius, count)
        self._kernel = near.kernel.float().numpy()
        self._distance = near.distance.int().numpy()
        self._coarse = np.zeros(framed, np.float32)
        self._cells = self._coarse[radius : radius + rows, radius : radius + columns]
        self._powers = np.ones((len(self._kernel), *framed), np.float32)
        self._totals = np.empty((rows, step, step, columns, count), np.float32)
        self._values = np.empty_like(self._totals)
        self._slopes = np.zeros((rows, step, step, *framed[1:]), np.float32)
        self._offsets = np.zeros_like(self._slopes)
        self._own = np.zeros((count, rows * step, columns * step), np.float32)
        self._pull = np.zeros_like(self._own)
        self._halved = masks.halved
        self._inside = np.empty((count, masks.height, masks.width), np.bool_)

    def there(self, coarse: Floats, full: Floats) -> None:
        """[N, *cells] → [N, H, W]."""
        self._cells[:] = coarse.transpose(1, 2, 0)
        soft_maxima(
            self._coarse,
            self._kernel,
            self._distance,
            self._powers,
            self._totals,
            self._values,
            self._own,
        )
        if self._halved:
            doubled(self._own, full, self._inside)
        else:
            full[:] = self._own[:, : full.shape[1], : full.shape[2]]

    def back(self, pull: Floats) -> torch.Tensor:
        """The gradient at the full masks → at the coarse ones, of which `there` was last."""
        if self._halved:
            doubled_pull(pull, self._inside, self._pull)
        else:
            self._pull[:, : pull.shape[1], : pull.shape[2]] = pull
        gradient = np.empty(self._cells.shape, np.float32)
        soft_maxima_pull(
            self._pull,
            self._coarse,
            self._kernel,
            self._distance,
            self._powers,
            self._totals,
            self._values,
            self._slopes,
            self._offsets,
            gradient,
        )
        return torch.from_numpy(gradient).permute(2, 0, 1).contiguous()
