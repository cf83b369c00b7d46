"""Convolutions whose gradient at the input is itself an unstrided convolution.

With a stride, input and kernel are split into phases: phase (i, j, k) holds every value whose
frame, row and column leave the remainders i, j, k when divided by the stride. The phases become
channels, and the strided convolution becomes an unstrided one.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional as F

if TYPE_CHECKING:
    from videovisual.engine.optimise.convolution import Convolution

Sizes = tuple[int, int, int]

UNSTRIDED: Sizes = (1, 1, 1)

FEW_CHANNELS = 4
"""The most input channels of a first layer."""


def is_stem(x: torch.Tensor, weight: torch.Tensor, stride: Sizes) -> bool:
    """Whether a convolution is a strided first layer, which gains by phases."""
    return x.shape[1] <= FEW_CHANNELS and prod(stride) > 1 and weight.shape[3] > stride[1]


def pad_kernel(weight: torch.Tensor, stride: Sizes) -> torch.Tensor:
    """The weight with zeros at its end, so that its sizes are multiples of the stride."""
    missing = [-size % step for size, step in zip(weight.shape[2:], stride, strict=True)]
    return F.pad(weight, [side for one in reversed(missing) for side in (0, one)])


def pad_input(x: torch.Tensor, weight: torch.Tensor, stride: Sizes, padding: Sizes) -> torch.Tensor:
    """The input with zeros around, of the size that the padded kernel reads."""
    sides: list[int] = []
    for size, kernel, step, pad in zip(
        x.shape[:1:-1], weight.shape[:1:-1], stride[::-1], padding[::-1], strict=True
    ):
        places = (size + 2 * pad - kernel) // step + 1
        sides += [pad, step * (places - 1 + -(-kernel // step)) - size - pad]
    return F.pad(x, sides)


def to_phases(x: torch.Tensor, stride: Sizes) -> torch.Tensor:
    """[N, C, T, H, W] → [N, C × phases, T / stride, H / stride, W / stride]."""
    n, c, *sizes = x.shape
    (t, t_step), (h, h_step), (w, w_step) = (
        (size // step, step) for size, step in zip(sizes, stride, strict=True)
    )
    x = x.reshape(n, c, t, t_step, h, h_step, w, w_step).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return x.reshape(n, c * prod(stride), t, h, w)


def from_phases(x: torch.Tensor, stride: Sizes) -> torch.Tensor:
    """The inverse of `to_phases`."""
    n, c, t, h, w = x.shape
    x = x.reshape(n, c // prod(stride), *stride, t, h, w).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return x.reshape(n, -1, t * stride[0], h * stride[1], w * stride[2])


def unstrided(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, padding: Sequence[int]
) -> torch.Tensor:
    """A convolution of stride 1, on a processor by oneDNN."""
    if x.device.type != "cpu":
        return F.conv3d(x, weight, bias, UNSTRIDED, tuple(padding))
    result: torch.Tensor = torch.ops.aten.mkldnn_convolution(
        x, weight, bias, padding, UNSTRIDED, UNSTRIDED, 1
    )
    return result


def differentiable(
    x: torch.Tensor, weight: torch.Tensor, convolution: Convolution, stride: Sizes, padding: Sizes
) -> torch.Tensor:
    """A convolution whose gradient at `x` is an unstrided convolution.

    Args:
        x: [N, C, T, H, W].
        weight, stride, padding: the convolution's own, or those of its form in phases.
        convolution: gives the bias and the weight of the backward pass.
    """
    result: torch.Tensor = _Differentiable.apply(  # type: ignore[no-untyped-call]
        x, weight, convolution.bias, stride, padding, convolution.backward_weight()
    )
    return result


class _Differentiable(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        stride: Sizes,
        padding: Sizes,
        backward_weight: torch.Tensor,
    ) -> torch.Tensor:
        ctx.weight, ctx.stride, ctx.padding, ctx.sizes = (
            backward_weight,
            stride,
            padding,
            x.shape[2:],
        )
        if stride == UNSTRIDED:
            return unstrided(x, weight, bias, padding)
        return F.conv3d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gradient, full = gradient.contiguous(), [size - 1 for size in ctx.weight.shape[2:]]
        if ctx.stride == UNSTRIDED:
            padding = [size - pad for size, pad in zip(full, ctx.padding, strict=True)]
            return unstrided(gradient, ctx.weight, None, padding), *[None] * 5
        padded = from_phases(unstrided(gradient, ctx.weight, None, full), ctx.stride)
        # Values beyond the last stride were not read, so their gradient is 0.
        beyond = [
            max(0, size + pad - have)
            for size, pad, have in zip(ctx.sizes, ctx.padding, padded.shape[2:], strict=True)
        ]
        padded = F.pad(padded, [side for one in reversed(beyond) for side in (0, one)])
        t, h, w = (slice(pad, pad + size) for size, pad in zip(ctx.sizes, ctx.padding, strict=True))
        return padded[:, :, t, h, w], *[None] * 5
