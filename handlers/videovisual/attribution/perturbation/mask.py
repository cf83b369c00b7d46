"""Smooth masks: a coarse grid of cells, brought to full size by a smooth maximum.

Fong, Patrick & Vedaldi 2019, arXiv 1910.08485: a pixel's value is the soft maximum of the cells
around it, each weighted by a kernel of its distance, so that a single cell makes a blob of height
one, and no mask can be finer than the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, prod
from typing import Any

import torch
from torch.nn import functional as F

COLDNESS = 20.0
"""Inverse temperature of the soft maximum."""

CHUNK = {"cpu": 2**17}
"""Pixels computed at once: on a processor what its cache holds, elsewhere what memory allows."""

MANY = 2**26


class SmoothMasks:
    """Makes full-size masks of coarse ones.

    Args:
        height, width: of a full-size mask, in pixels.
        step: distance of the cells, in pixels.
        sigma: scale of the kernel, in pixels: one up to half of it, then falling as a Gaussian.
        device, dtype: of the masks.
    """

    def __init__(
        self,
        height: int,
        width: int,
        step: int,
        sigma: float,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.height, self.width, self.step, self.sigma = height, width, step, sigma
        self.cells = (ceil(height / step), ceil(width / step))
        self.radius = 1 + ceil(sigma / step)
        self._weights = _weights(step, sigma, self.radius).to(device, dtype)

    def __call__(self, coarse: torch.Tensor) -> torch.Tensor:
        """[..., *cells] in [0, 1] → [..., height, width] in [0, 1], differentiable."""
        flat = coarse.flatten(0, -3)
        full: torch.Tensor = _SmoothMaximum.apply(flat, self._weights, self.step, self.radius)  # type: ignore[no-untyped-call]
        shape = (*coarse.shape[:-2], self.height, self.width)
        return full[:, : self.height, : self.width].reshape(shape)


def _weights(step: int, sigma: float, radius: int) -> torch.Tensor:
    """The kernel from each cell of a neighbourhood to each pixel of a cell's square.

    Cells lie at the top left pixel of their squares, so the distances, and with them the weights,
    are the same in every square: [neighbours, step²] serves the whole mask.
    """
    pixel = torch.arange(step, dtype=torch.float64)
    cell = step * torch.arange(-radius, radius + 1, dtype=torch.float64)
    along = (pixel - cell[:, None]) ** 2
    distance = (along[:, None, :, None] + along[None, :, None, :]).sqrt() / sigma
    kernel = torch.exp(-2 * (distance - 0.5).clamp(min=0) ** 2)
    return kernel.reshape((2 * radius + 1) ** 2, step**2)


class _SmoothMaximum(torch.autograd.Function):
    """Σ y exp(c y) / Σ exp(c y) over a pixel's neighbourhood, y = kernel · cell.

    Both passes walk over the neighbours and hold one term at a time, pixels of the same place in
    their squares side by side. The backward pass computes the exponentials anew, which costs less
    than to keep them.
    """

    @staticmethod
    def forward(
        ctx: Any, coarse: torch.Tensor, weights: torch.Tensor, step: int, radius: int
    ) -> torch.Tensor:
        """[N, h, w] → [N, h * step, w * step]."""
        count, height, width = coarse.shape
        padded = F.pad(coarse, (radius,) * 4)
        pixels = step**2
        value = coarse.new_empty(pixels, count, height, width)
        total = torch.empty_like(value)
        for part in _parts(coarse, pixels):
            wide = padded[part]
            shape = (pixels, wide.shape[0] * height * width)
            top, bottom = coarse.new_zeros(shape), coarse.new_zeros(shape)
            scaled = coarse.new_empty(shape)
            power = torch.empty_like(scaled)
            for weight, cells in _neighbours(weights, wide, height, width, radius):
                torch.mul(COLDNESS * weight[:, None], cells.reshape(1, -1), out=scaled)
                torch.exp(scaled, out=power)
                bottom += power
                top.addcmul_(scaled, power)
            value[:, part] = top.div_(bottom).div_(COLDNESS).view(pixels, -1, height, width)
            total[:, part] = bottom.view(pixels, -1, height, width)
        ctx.save_for_backward(padded, weights, value, total)
        ctx.step, ctx.radius = step, radius
        return _interleave(value, step)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """d value / d cell = weight · softmax · (1 + c (y − value))."""
        padded, weights, value, total = ctx.saved_tensors
        step, radius = ctx.step, ctx.radius
        pixels, _, height, width = value.shape
        outer = _deinterleave(grads[0], step) / total
        inner = outer * (1 - COLDNESS * value)
        gradient = torch.zeros_like(padded)
        for part in _parts(value[0], pixels):
            wide = padded[part]
            slope = outer[:, part].reshape(pixels, -1)
            offset = inner[:, part].reshape(pixels, -1)
            scaled, term = torch.empty_like(slope), torch.empty_like(slope)
            into = _views(gradient[part], height, width, radius)
            for weight, cells in _neighbours(weights, wide, height, width, radius):
                torch.mul(COLDNESS * weight[:, None], cells.reshape(1, -1), out=scaled)
                torch.addcmul(offset, slope, scaled, out=term)
                term *= scaled.exp_()
                next(into).add_((weight @ term).view(-1, height, width))
        return gradient[:, radius:-radius, radius:-radius], None, None, None


def _parts(coarse: torch.Tensor, pixels: int) -> Iterator[slice]:
    count = coarse.shape[0]
    size = max(1, CHUNK.get(coarse.device.type, MANY) // (pixels * prod(coarse.shape[1:])))
    return (slice(start, start + size) for start in range(0, count, size))


def _views(padded: torch.Tensor, height: int, width: int, radius: int) -> Iterator[torch.Tensor]:
    """The cells at each offset from all cells, row by row: [N, h, w]."""
    reach = range(2 * radius + 1)
    return (padded[:, y : y + height, x : x + width] for y in reach for x in reach)


def _neighbours(
    weights: torch.Tensor, padded: torch.Tensor, height: int, width: int, radius: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    return zip(weights, _views(padded, height, width, radius), strict=True)


def _interleave(squares: torch.Tensor, step: int) -> torch.Tensor:
    """[step², N, h, w] → [N, h * step, w * step]."""
    _, count, height, width = squares.shape
    split = squares.view(step, step, count, height, width).permute(2, 3, 0, 4, 1)
    return split.reshape(count, height * step, width * step)


def _deinterleave(full: torch.Tensor, step: int) -> torch.Tensor:
    """The inverse of `_interleave`."""
    count, height, width = len(full), full.shape[1] // step, full.shape[2] // step
    split = full.reshape(count, height, step, width, step).permute(2, 4, 0, 1, 3)
    return split.reshape(step**2, count, height, width)
