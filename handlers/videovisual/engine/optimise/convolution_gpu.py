"""Convolutions on a GPU.

Of cuDNN's algorithms for float32 gradients, the deterministic ones take up to eight times as long
as the others. A convolution of the gradient by the flipped weight is always deterministic. The
first layer gains by phases in both directions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from videovisual.engine.optimise.convolution_forms import (
    UNSTRIDED,
    differentiable,
    is_stem,
    pad_input,
    to_phases,
)

if TYPE_CHECKING:
    from videovisual.engine.optimise.convolution import Convolution


def convolve(convolution: Convolution, x: torch.Tensor) -> torch.Tensor:
    """[N, C, T, H, W] → [N, C', T', H', W']."""
    weight, stride, padding = convolution.weight, convolution.stride, convolution.padding
    if is_stem(x, weight, stride):
        x = to_phases(pad_input(x, weight, stride, padding), stride)
        weight, stride, padding = convolution.phase_weight(), UNSTRIDED, (0, 0, 0)
    if weight.dtype != torch.float32 or not (torch.is_grad_enabled() and x.requires_grad):
        return F.conv3d(x, weight, convolution.bias, stride, padding)
    return differentiable(x, weight, convolution, stride, padding)
