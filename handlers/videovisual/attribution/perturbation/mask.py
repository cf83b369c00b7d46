"""Smooth masks: a coarse grid of cells, brought to full size by a smooth maximum.

Fong, Patrick & Vedaldi 2019, arXiv 1910.08485: a pixel's value is the soft maximum of the cells
around it, each weighted by a kernel of its distance, so that a single cell makes a blob of height
one, and no mask can be finer than the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any

import torch
from torch.nn import functional as F

COLDNESS = 20.0
"""Inverse temperature of the soft maximum."""

CHUNK = {"cpu": 2**18}
"""Values of neighbours and pixels computed at once: on a processor what its cache holds, elsewhere
what memory allows. Fewer would make more calls, for which threads wait for Python."""

MANY = 2**26


class SmoothMasks:
    """Makes full-size masks of coarse ones.

    Args:
        height, width: of a full-size mask, in pixels.
        step: distance of the cells, in pixels.
        sigma: scale of the kernel, in pixels: one up to half of it, then falling as a Gaussian.
        pixel: side of the squares that get one value, between whose middles masks are linear; a
            divisor of `step`.
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
        pixel: int = 1,
    ) -> None:
        self.height, self.width, self.step, self.sigma = height, width, step, sigma
        self.cells = (ceil(height / step), ceil(width / step))
        self.radius = 1 + ceil(sigma / step)
        self._pixel = pixel
        self._step = step // pixel
        self._weights = _weights(self._step, sigma / pixel, self.radius).to(device, dtype)

    def __call__(self, coarse: torch.Tensor) -> torch.Tensor:
        """[..., *cells] in [0, 1] → [..., height, width] in [0, 1], differentiable."""
        flat = coarse.flatten(0, -3)
        full: torch.Tensor = _SmoothMaximum.apply(flat, self._weights, self._step, self.radius)  # type: ignore[no-untyped-call]
        if self._pixel > 1:
            full = F.interpolate(full[:, None], scale_factor=self._pixel, mode="bilinear")[:, 0]
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

    Both passes take some squares at a time with all their neighbours and pixels. The backward pass
    computes the exponentials anew, which costs less than to keep them.
    """

    @staticmethod
    def forward(
        ctx: Any, coarse: torch.Tensor, weights: torch.Tensor, step: int, radius: int
    ) -> torch.Tensor:
        """[N, h, w] → [N, h * step, w * step]."""
        around = _around(coarse, radius)
        cold = COLDNESS * weights[:, :, None]
        value = coarse.new_empty(step**2, around.shape[1])
        total = torch.empty_like(value)
        for part, scaled, power in _parts(around, weights):
            torch.mul(cold, around[:, None, part], out=scaled)
            torch.exp(scaled, out=power)
            total[:, part] = power.sum(dim=0)
            value[:, part] = power.mul_(scaled).sum(dim=0)
        value /= total
        value /= COLDNESS
        ctx.save_for_backward(around, weights, value, total)
        ctx.step, ctx.radius, ctx.shape = step, radius, coarse.shape
        return _interleave(value.view(-1, *coarse.shape), step)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        """d value / d cell = weight · softmax · (1 + c (y − value))."""
        around, weights, value, total = ctx.saved_tensors
        cold = COLDNESS * weights[:, :, None]
        slope = _deinterleave(grads[0], ctx.step).flatten(1) / total
        offset = slope * (1 - COLDNESS * value)
        gradient = torch.empty_like(around)
        for part, scaled, term in _parts(around, weights):
            torch.mul(cold, around[:, None, part], out=scaled)
            torch.addcmul(offset[:, part], slope[:, part], scaled, out=term)
            term.mul_(scaled.exp_())
            gradient[:, part] = (weights[:, None] @ term)[:, 0]
        return _gather(gradient, ctx.shape, ctx.radius), None, None, None


def _parts(
    around: torch.Tensor, weights: torch.Tensor
) -> Iterator[tuple[slice, torch.Tensor, torch.Tensor]]:
    """Squares to take at a time, and room for two values of each neighbour and pixel of them."""
    squares = around.shape[1]
    size = max(1, CHUNK.get(around.device.type, MANY) // weights.numel())
    room = around.new_empty(2, *weights.shape, min(size, squares))
    for start in range(0, squares, size):
        part = slice(start, min(start + size, squares))
        # Contiguous, the last and smaller one too.
        one, other = room.view(2, -1)[:, : weights.numel() * (part.stop - part.start)]
        shape = (*weights.shape, part.stop - part.start)
        yield part, one.view(shape), other.view(shape)


def _around(coarse: torch.Tensor, radius: int) -> torch.Tensor:
    """Each cell's neighbourhood: [N, h, w] → [neighbours, N * h * w]."""
    _, height, width = coarse.shape
    views = F.pad(coarse, (radius,) * 4).unfold(1, height, 1).unfold(2, width, 1)
    return views.permute(1, 2, 0, 3, 4).reshape((2 * radius + 1) ** 2, -1)


def _gather(values: torch.Tensor, shape: torch.Size, radius: int) -> torch.Tensor:
    """The adjoint of `_around`: what all neighbourhoods have for a cell, summed."""
    count, height, width = shape
    side = 2 * radius + 1
    columns = values.view(side**2, count, height * width).transpose(0, 1)
    size = (height + 2 * radius, width + 2 * radius)
    return F.fold(columns, size, side)[:, 0, radius:-radius, radius:-radius]


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
