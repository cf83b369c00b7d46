"""Sixteen-bit numbers for the gradients of searches, where a device has units for them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from videovisual.engine.optimise.convolution import Convolution, quickened, replaced
from videovisual.engine.optimise.pooling import MaxPooling

Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""Of a search's gradients. `auto` takes what the device has units for, where `alike` holds."""

SIXTEEN = {"bfloat16": torch.bfloat16, "float16": torch.float16}

PARITY = 0.9
"""The least cosine of the angle between a gradient and float32's by which a search goes as well."""

SCALES = {torch.float16: 2.0**10}
"""What an objective is multiplied with lest its gradients fall below the smallest number."""


def native(device: torch.device) -> torch.dtype | None:
    """The sixteen-bit numbers for whose products a device has units; None where it has none."""
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16 if major == 7 else None
    if device.type == "cpu" and torch.cpu._is_amx_tile_supported():
        return torch.bfloat16
    return None


class Lowered(nn.Module):
    """A copy of a frozen network whose products are of sixteen-bit numbers; sums are float32's.

    Args:
        network: maps [N, 3, T, H, W] to [N, classes]; its other tensors are shared.
        dtype: bfloat16 or float16.

    Attributes:
        scale: what an objective has to be multiplied with before it is differentiated.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.scale = SCALES.get(dtype, 1.0)
        # Tensors made in inference mode could not take part in a gradient.
        with torch.inference_mode(False), torch.no_grad():
            copy = quickened(network)
            self.network = replaced(copy, lambda _, module: _lowered(module, dtype))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, T, H, W] → float32 [N, classes]."""
        # Channels last, by which the units are fed best, whatever the size of the clips.
        clips = clips.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(clips.device.type, self.dtype, cache_enabled=False):
            logits: torch.Tensor = self.network(clips)
        return logits.float()


def _lowered(module: nn.Module, dtype: torch.dtype) -> nn.Module | None:
    if isinstance(module, MaxPooling):
        return _AsItComes(module)
    if isinstance(module, Convolution):
        weight = module.weight.to(dtype, memory_format=torch.channels_last_3d)
        bias = None if module.bias is None else module.bias.to(dtype)
        return Convolution(weight, bias, module.stride, module.padding)
    return None


class _AsItComes(nn.Module):
    """A maximum of the numbers that come: autocast would make them float32's, for nothing."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            result: torch.Tensor = self.module(x)
        return result


def alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two gradients point the same way, as far as a search can tell."""
    return float(F.cosine_similarity(one.flatten(), other.flatten(), dim=0)) >= PARITY
