"""Smooth masks: a coarse grid of cells, brought to full size by a smooth maximum.

Fong, Patrick & Vedaldi 2019, arXiv 1910.08485: a pixel's value is the soft maximum of the cells
around it, each weighted by a kernel of its distance, so that a single cell makes a blob of height
one, and no mask can be finer than the kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import torch
from torch.nn import functional as F

COLDNESS = 20.0
"""Inverse temperature of the soft maximum."""

ROOM = {"cpu": 2**23}
"""Values of all cells' terms that are kept at once; more frames than fit take turns."""

MUCH_ROOM = 2**27
"""The same where nothing else is said of the device."""

GRIDS = 8
"""Kinds of masks whose tables are kept for the next search."""


class SmoothMasks:
    """Makes full-size masks of coarse ones.

    Args:
        height, width: of a full-size mask, in pixels.
        step: distance of the cells, in pixels.
        sigma: scale of the kernel, in pixels: one up to half of it, then falling as a Gaussian.
        device, dtype: of the masks.
        halved: whether only every second pixel of every second row is computed so, and cubic
            convolution gives those between (Keys 1981, IEEE Trans. ASSP 29(6)); `step` is even
            then.
    """

    def __init__(
        self,
        height: int,
        width: int,
        step: int,
        sigma: float,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        halved: bool = False,
    ) -> None:
        self.height, self.width, self.step, self.sigma = height, width, step, sigma
        self.cells = (ceil(height / step), ceil(width / step))
        self.radius = 1 + ceil(sigma / step)
        self.halved = halved
        pixel = 2 if halved else 1
        self._spacing = (step // pixel, sigma / pixel)
        self._grid = _Grid.of(self.cells, *self._spacing, self.radius, torch.device(device), dtype)
        self._doubling = [
            _doubling(cells * step // 2).to(device, dtype) for cells in self.cells if halved
        ]

    def __call__(self, coarse: torch.Tensor) -> torch.Tensor:
        """[..., *cells] in [0, 1] → [..., height, width] in [0, 1], differentiable."""
        flat = coarse.flatten(0, -3)
        full: torch.Tensor = _SmoothMaximum.apply(flat, self._grid)  # type: ignore[no-untyped-call]
        if self.halved:
            rows, columns = self._doubling
            full = (rows.T @ (full @ columns)).clamp(0, 1)
        shape = (*coarse.shape[:-2], self.height, self.width)
        return full[:, : self.height, : self.width].reshape(shape)


def _doubling(size: int) -> torch.Tensor:
    """Cubic convolution along one side as a matrix [size, 2 size]: 0, ½, 1, 1½, … of its places.

    Beyond its ends a side goes on as it ends. A product with it takes a third of torch's own
    interpolation, and its gradient is always the same.
    """
    places, given = torch.arange(size), torch.eye(size)
    left, right = given, given[:, (places + 1).clamp(max=size - 1)]
    before, after = given[:, (places - 1).clamp(min=0)], given[:, (places + 2).clamp(max=size - 1)]
    between = (9 * (left + right) - (before + after)) / 16
    return torch.stack([given, between], dim=2).flatten(1)


@dataclass(frozen=True)
class Neighbourhood:
    """How far a square's pixels are from the cells around it.

    A kernel's value is one of distance, and pixels on a grid have few distances to the cells, much
    fewer than there are pairs of the two. So what a soft maximum adds up, a *term*, is computed
    once for each cell and distance, and then looked up.

    Attributes:
        kernel: float64 [distances].
        distance: int64 [step, step, 2 radius + 1, 2 radius + 1], which of the distances lies
            between a pixel's row and column in its square and a cell's, from the square on.
    """

    kernel: torch.Tensor
    distance: torch.Tensor

    @classmethod
    def of(cls, step: int, sigma: float, radius: int) -> Neighbourhood:
        """Of squares of `step` pixels, each with a cell at its top left, and a kernel's scale."""
        neighbours = torch.arange(-radius, radius + 1)
        along = (torch.arange(step)[:, None] - step * neighbours) ** 2
        squared = along[:, None, :, None] + along[None, :, None, :]
        distances, distance = torch.unique(squared, return_inverse=True)
        kernel = torch.exp(-2 * (distances.double().sqrt() / sigma - 0.5).clamp(min=0) ** 2)
        return cls(kernel, distance)


@dataclass(frozen=True)
class _Grid:
    """Which cells' terms meet in which pixels; see `Neighbourhood`.

    Attributes:
        cells: rows and columns of cells.
        step: distance of the cells, each at the top left pixel of its square, in pixels.
        kernel: [distances].
        terms: int32 [pixels, neighbours], the terms that meet in a pixel, as cell × distances +
            distance; those of cells beyond the border come last, as one. Pixels go square by
            square.
        pixels: int32, the pixels in which a term meets others, term after term.
        starts: int32 [terms], where each term's pixels begin.
    """

    cells: tuple[int, int]
    step: int
    kernel: torch.Tensor
    terms: torch.Tensor
    pixels: torch.Tensor
    starts: torch.Tensor

    @classmethod
    @lru_cache(maxsize=GRIDS)
    @torch.inference_mode(False)
    def of(
        cls,
        cells: tuple[int, int],
        step: int,
        sigma: float,
        radius: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> _Grid:
        near = Neighbourhood.of(step, sigma, radius)
        neighbours = torch.arange(-radius, radius + 1)
        row, column = (torch.arange(size)[:, None] + neighbours for size in cells)
        row, column = row[:, None, :, None], column[None, :, None, :]
        beyond = (row < 0) | (row >= cells[0]) | (column < 0) | (column >= cells[1])
        first = (row * cells[1] + column) * len(near.kernel)
        many = cells[0] * cells[1] * len(near.kernel)
        # Of each square's neighbours, and then of each of its pixels' too.
        beyond, first = (each.flatten(2).flatten(0, 1)[:, None] for each in (beyond, first))
        terms = (first + near.distance.flatten(2).flatten(0, 1)).masked_fill(beyond, many)
        terms = terms.flatten(0, 1)

        counts = terms.flatten().bincount(minlength=many + 1)[:-1]
        pixels = terms.flatten().argsort(stable=True)[: int(counts.sum())] // terms.shape[1]
        starts = counts.cumsum(0) - counts
        return cls(
            cells,
            step,
            near.kernel.to(device, dtype),
            *(each.to(device, torch.int32) for each in (terms, pixels, starts)),
        )

    def table(self, coarse: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """exp(c y) and c y exp(c y) of each term: [N, *cells] → [terms + 1, N] twice."""
        frames = len(coarse)
        power, product = (coarse.new_empty(len(self.starts) + 1, frames) for _ in range(2))
        cold = COLDNESS * self.kernel[:, None]
        scaled = product[:-1].view(-1, len(self.kernel), frames)
        torch.mul(cold, coarse.flatten(1).T.contiguous()[:, None], out=scaled)
        torch.exp(product[:-1], out=power[:-1])
        product[:-1].mul_(power[:-1])
        power[-1], product[-1] = 1, 0
        return power, product

    def meet(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of a table's column in each pixel: [terms + 1, N] → [pixels, N]."""
        return F.embedding_bag(self.terms, values, mode="sum")

    def part(self, values: torch.Tensor) -> torch.Tensor:
        """The adjoint of `meet`, but for what lies beyond: [pixels, N] → [terms, N]."""
        return F.embedding_bag(self.pixels, values, self.starts, mode="sum")

    def full(self, values: torch.Tensor) -> torch.Tensor:
        """[pixels, N] → [N, H, W]."""
        rows, columns = self.cells
        split = values.view(rows, columns, self.step, self.step, -1).permute(4, 0, 2, 1, 3)
        return split.reshape(-1, rows * self.step, columns * self.step)

    def squares(self, full: torch.Tensor) -> torch.Tensor:
        """The inverse of `full`."""
        rows, columns = self.cells
        split = full.reshape(-1, rows, self.step, columns, self.step).permute(1, 3, 2, 4, 0)
        return split.reshape(-1, len(full))


class _SmoothMaximum(torch.autograd.Function):
    """Σ y exp(c y) / Σ exp(c y) over a pixel's neighbourhood, y = kernel · cell.

    Where all frames fit the room at once, the backward pass finds the terms of the forward one;
    else it computes them anew.
    """

    @staticmethod
    def forward(ctx: Any, coarse: torch.Tensor, grid: _Grid) -> torch.Tensor:
        """[N, *cells] → [N, rows * step, columns * step]."""
        parts = torch.split(coarse, _fitting(grid, coarse))
        sums = []
        for part in parts:
            table = grid.table(part)
            sums.append([grid.meet(column) for column in table])
        total, value = (
            columns[0] if len(parts) == 1 else torch.cat(columns, dim=1)
            for columns in zip(*sums, strict=True)
        )
        value.div_(total).div_(COLDNESS)
        ctx.grid = grid
        ctx.save_for_backward(coarse, total, value, *(table if len(parts) == 1 else ()))
        return grid.full(value)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """d value / d cell = kernel · softmax · (1 + c (y − value))."""
        coarse, total, value, *table = ctx.saved_tensors
        grid: _Grid = ctx.grid
        slope = grid.squares(grads[0]) / total
        offset = value.mul(-COLDNESS).add_(1).mul_(slope)
        size = _fitting(grid, coarse)
        gradients = []
        pulls = (torch.split(each, size, dim=1) for each in (offset, slope))
        for part, own, steep in zip(torch.split(coarse, size), *pulls, strict=True):
            power, product = table or grid.table(part)
            # Summed first of all, since they nearly cancel each other.
            felt = grid.part(own.contiguous()).mul_(power[:-1])
            felt.addcmul_(grid.part(steep.contiguous()), product[:-1])
            gradients.append((grid.kernel @ felt.view(-1, len(grid.kernel), len(part))).T)
        return torch.cat(gradients).view(coarse.shape), None


def _fitting(grid: _Grid, coarse: torch.Tensor) -> int:
    """How many frames fit the room at once."""
    room = ROOM.get(coarse.device.type, MUCH_ROOM)
    return max(1, room // (2 * len(grid.starts)))
