"""Convolutions on a processor.

Torch runs some convolutions by multiplying unfolded copies, several times slower than oneDNN: with
one clip those of few channels, and on one thread those over time alone. And the gradient at the
input of a first layer, which has three channels, leaves most of a vector unit unused.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from videovisual.engine.optimise.convolution_forms import (
    UNSTRIDED,
    Sizes,
    differentiable,
    is_stem,
    unstrided,
)

if TYPE_CHECKING:
    from videovisual.engine.optimise.convolution import Convolution

SMALL = 20_480
"""Clips × channels × frames × rows up to which torch takes its slow path for one clip."""

TINY = 64
"""T × H × W of an input up to which torch's slow path is the faster one."""

ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
"""Whether this build of torch has oneDNN."""

DTYPES = (torch.float32, torch.bfloat16)
"""Dtypes of weights that have faster forms."""


def convolve(convolution: Convolution, x: torch.Tensor) -> torch.Tensor:
    """[N, C, T, H, W] → [N, C', T', H', W']."""
    weight, stride, padding = convolution.weight, convolution.stride, convolution.padding
    faster = weight.dtype in DTYPES and ONEDNN
    slow = faster and weight.dtype == torch.float32 and _torch_is_slow(x, weight, stride)
    if slow or (faster and is_stem(x, weight, stride)):
        if torch.is_grad_enabled() and x.requires_grad:
            return differentiable(x, weight, convolution, stride, padding)
        if slow:
            return unstrided(x, weight, convolution.bias, padding)
    return F.conv3d(x, weight, convolution.bias, stride, padding)


def _torch_is_slow(x: torch.Tensor, weight: torch.Tensor, stride: Sizes) -> bool:
    """Whether oneDNN is faster than the path that torch takes for an unstrided convolution."""
    kernel = weight.shape[2:]
    if stride != UNSTRIDED or prod(kernel) == 1 or prod(x.shape[2:]) <= TINY:
        return False
    small = x.shape[0] == 1 and prod(x.shape[:4]) <= SMALL and not (kernel[1] > 3 and kernel[2] > 3)
    over_time = kernel[1] == kernel[2] == 1 and x.shape[0] < 16 and torch.get_num_threads() == 1
    return small or over_time
