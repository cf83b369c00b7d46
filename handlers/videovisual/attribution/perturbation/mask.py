"""Smooth masks: a coarse grid of cells, brought to full size by a smooth maximum.

Fong, Patrick & Vedaldi 2019, arXiv 1910.08485: a pixel's value is the soft maximum of the cells
around it, each weighted by a kernel of its distance. So a single cell makes a blob of height one,
and no mask is finer than the kernel.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import Any

import torch
from torch.nn import functional as F

INVERSE_TEMPERATURE = 20.0
"""Of the soft maximum."""

MAX_VALUES = {"cpu": 2**23}
"""The most values of all cells' terms at once, by device; frames that don't fit go in parts."""

MAX_VALUES_ELSEWHERE = 2**27
"""The same for other devices."""

CACHED_GRIDS = 8
"""The number of grids whose tables are kept for the next search."""


class SmoothMasks:
    """Makes full-size masks of coarse ones.

    Args:
        height, width: of a full-size mask, in pixels.
        step: distance of the cells, in pixels.
        sigma: scale of the kernel, in pixels. The kernel is 1 up to half of it, then falls as a
            Gaussian.
        device, dtype: of the masks.
        halved: whether to compute only every second pixel of every second row, and the others by
            cubic convolution (Keys 1981, IEEE Trans. ASSP 29(6)); `step` must be even then.
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
        self.height, self.width = height, width
        self.cells = (ceil(height / step), ceil(width / step))
        radius = 1 + ceil(sigma / step)
        pixel = 2 if halved else 1
        self._grid = _Grid.of(
            self.cells, step // pixel, sigma / pixel, radius, torch.device(device), dtype
        )
        self._doubling = [
            _doubling(cells * step // 2).to(device, dtype) for cells in self.cells if halved
        ]

    def __call__(self, coarse: torch.Tensor) -> torch.Tensor:
        """[..., *cells] in [0, 1] → [..., height, width] in [0, 1], differentiable."""
        flat = coarse.flatten(0, -3)
        full: torch.Tensor = _SmoothMaximum.apply(flat, self._grid)  # type: ignore[no-untyped-call]
        if self._doubling:
            rows, columns = self._doubling
            full = (rows.T @ (full @ columns)).clamp(0, 1)
        shape = (*coarse.shape[:-2], self.height, self.width)
        return full[:, : self.height, : self.width].reshape(shape)


def _doubling(size: int) -> torch.Tensor:
    """Cubic convolution along one side as a matrix [size, 2 size], for positions 0, ½, 1, 1½, …

    Beyond an end the last value repeats. A product with the matrix takes a third of the time of
    torch's own interpolation, and its gradient is deterministic.
    """
    places, values = torch.arange(size), torch.eye(size)

    def shifted(by: int) -> torch.Tensor:
        return values[:, (places + by).clamp(0, size - 1)]

    between = (9 * (values + shifted(1)) - (shifted(-1) + shifted(2))) / 16
    return torch.stack([values, between], dim=2).flatten(1)


@dataclass(frozen=True)
class _Grid:
    """Which cells contribute to which pixels.

    Pixels on a grid have few distances to the cells, far fewer than there are pairs of the two. So
    a *term*, what the soft maximum adds up, is computed once for each cell and distance, and then
    looked up for each pixel.

    Attributes:
        cells: rows and columns of cells.
        step: distance of the cells in pixels. Each is at the top left pixel of its square.
        kernel: its value at each distance, [distances].
        terms: int32 [pixels, neighbours], the terms of a pixel, as cell × distances + distance;
            the last term stands for all cells beyond the border. Pixels go square by square.
        pixels: int32, the pixels of each term, term after term.
        starts: int32 [terms], where each term's pixels begin.
    """

    cells: tuple[int, int]
    step: int
    kernel: torch.Tensor
    terms: torch.Tensor
    pixels: torch.Tensor
    starts: torch.Tensor

    @classmethod
    @lru_cache(maxsize=CACHED_GRIDS)
    @torch.inference_mode(False)
    def of(
        cls,
        cells: tuple[int, int],
        step: int,
        sigma: float,
        radius: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> "_Grid":
        neighbours = torch.arange(-radius, radius + 1)
        # distance[i, j, k, l]: from pixel (i, j) of a square to its neighbouring cell (k, l).
        along = (torch.arange(step)[:, None] - step * neighbours) ** 2
        squared = along[:, None, :, None] + along[None, :, None, :]
        distances, distance = torch.unique(squared, return_inverse=True)
        kernel = torch.exp(-2 * (distances.double().sqrt() / sigma - 0.5).clamp(min=0) ** 2)

        row, column = (torch.arange(size)[:, None] + neighbours for size in cells)
        row, column = row[:, None, :, None], column[None, :, None, :]
        beyond = (row < 0) | (row >= cells[0]) | (column < 0) | (column >= cells[1])
        first = (row * cells[1] + column) * len(kernel)
        count = cells[0] * cells[1] * len(kernel)
        # From [rows, columns, ...] to [squares, 1, neighbours], then to each square's pixels.
        beyond, first = (each.flatten(2).flatten(0, 1)[:, None] for each in (beyond, first))
        terms = (first + distance.flatten(2).flatten(0, 1)).masked_fill(beyond, count)
        terms = terms.flatten(0, 1)

        sizes = terms.flatten().bincount(minlength=count + 1)[:-1]
        pixels = terms.flatten().argsort(stable=True)[: int(sizes.sum())] // terms.shape[1]
        tables = (terms, pixels, sizes.cumsum(0) - sizes)
        return cls(
            cells,
            step,
            kernel.to(device, dtype),
            *(table.to(device, torch.int32) for table in tables),
        )

    def exponentials(self, coarse: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """exp(c y) and c y exp(c y) of each term: [N, *cells] → [terms + 1, N] twice."""
        frames = len(coarse)
        power, product = (coarse.new_empty(len(self.starts) + 1, frames) for _ in range(2))
        scale = INVERSE_TEMPERATURE * self.kernel[:, None]
        scaled = product[:-1].view(-1, len(self.kernel), frames)
        torch.mul(scale, coarse.flatten(1).T.contiguous()[:, None], out=scaled)
        torch.exp(product[:-1], out=power[:-1])
        product[:-1].mul_(power[:-1])
        power[-1], product[-1] = 1, 0
        return power, product

    def sum_by_pixel(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of each pixel's terms: [terms + 1, N] → [pixels, N]."""
        return F.embedding_bag(self.terms, values, mode="sum")

    def sum_by_term(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over each term's pixels, the adjoint: [pixels, N] → [terms, N]."""
        return F.embedding_bag(self.pixels, values, self.starts, mode="sum")

    def to_frames(self, values: torch.Tensor) -> torch.Tensor:
        """[pixels, N] → [N, H, W]."""
        rows, columns = self.cells
        split = values.view(rows, columns, self.step, self.step, -1).permute(4, 0, 2, 1, 3)
        return split.reshape(-1, rows * self.step, columns * self.step)

    def to_squares(self, frames: torch.Tensor) -> torch.Tensor:
        """The inverse of `to_frames`."""
        rows, columns = self.cells
        split = frames.reshape(-1, rows, self.step, columns, self.step).permute(1, 3, 2, 4, 0)
        return split.reshape(-1, len(frames))

    def frames_at_once(self, coarse: torch.Tensor) -> int:
        """The number of frames whose terms are computed at once."""
        most = MAX_VALUES.get(coarse.device.type, MAX_VALUES_ELSEWHERE)
        return max(1, most // (2 * len(self.starts)))


class _SmoothMaximum(torch.autograd.Function):
    """Σ y exp(c y) / Σ exp(c y) over a pixel's neighbourhood, y = kernel · cell.

    If all frames are computed at once, the backward pass reuses the forward pass's exponentials;
    otherwise it computes them again.
    """

    @staticmethod
    def forward(ctx: Any, coarse: torch.Tensor, grid: _Grid) -> torch.Tensor:
        """[N, *cells] → [N, rows * step, columns * step]."""
        parts = torch.split(coarse, grid.frames_at_once(coarse))
        sums = []
        for part in parts:
            table = grid.exponentials(part)
            sums.append([grid.sum_by_pixel(column) for column in table])
        total, value = (
            columns[0] if len(parts) == 1 else torch.cat(columns, dim=1)
            for columns in zip(*sums, strict=True)
        )
        value.div_(total).div_(INVERSE_TEMPERATURE)
        ctx.grid = grid
        ctx.save_for_backward(coarse, total, value, *(table if len(parts) == 1 else ()))
        return grid.to_frames(value)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """d value / d cell = kernel · softmax · (1 + c (y − value))."""
        coarse, total, value, *table = ctx.saved_tensors
        grid: _Grid = ctx.grid
        slope = grid.to_squares(grads[0]) / total
        offset = value.mul(-INVERSE_TEMPERATURE).add_(1).mul_(slope)
        size = grid.frames_at_once(coarse)
        gradients = []
        splits = (torch.split(each, size, dim=1) for each in (offset, slope))
        for part, offsets, slopes in zip(torch.split(coarse, size), *splits, strict=True):
            power, product = table or grid.exponentials(part)
            # Sum over pixels before adding the two, since they nearly cancel each other.
            terms = grid.sum_by_term(offsets.contiguous()).mul_(power[:-1])
            terms.addcmul_(grid.sum_by_term(slopes.contiguous()), product[:-1])
            gradients.append((grid.kernel @ terms.view(-1, len(grid.kernel), len(part))).T)
        return torch.cat(gradients).view(coarse.shape), None
