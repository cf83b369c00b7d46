"""Gradients in 16 bits, where a device has units for them."""

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

from videovisual.engine.optimise.convolution import Convolution
from videovisual.engine.optimise.network import optimised, replace_modules
from videovisual.engine.optimise.pooling import MaxPooling

Precision = Literal["auto", "float32", "bfloat16", "float16"]
"""Of a search's gradients. `auto` takes the device's 16-bit dtype if `same_direction` holds."""

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}

MIN_COSINE = 0.9
"""The least cosine between a gradient and float32's at which searches end equally well."""

LOSS_SCALES = {torch.float16: 2.0**10}
"""Factors of the objective that keep its gradients from underflowing."""


def native_dtype(device: torch.device) -> torch.dtype | None:
    """The 16-bit dtype that the device has units for; None if it has none."""
    if device.type == "cuda":
        major, _ = torch.cuda.get_device_capability(device)
        return torch.bfloat16 if major >= 8 else torch.float16 if major == 7 else None
    if device.type == "cpu" and torch.cpu._is_amx_tile_supported():
        return torch.bfloat16
    return None


class ReducedPrecision(nn.Module):
    """A copy of a frozen network that multiplies 16-bit numbers and adds in float32.

    Args:
        network: maps [N, 3, T, H, W] to [N, classes]; tensors other than the convolutions' are
            shared.
        dtype: bfloat16 or float16.

    Attributes:
        scale: the factor that an objective needs before it is differentiated.
    """

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype
        self.scale = LOSS_SCALES.get(dtype, 1.0)
        # Tensors made in inference mode cannot take part in a gradient.
        with torch.inference_mode(False), torch.no_grad():
            self.network = replace_modules(
                optimised(network), lambda _, module: _reduced(module, dtype)
            )

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        """float32 [N, 3, T, H, W] → float32 [N, classes]."""
        # 16-bit units are fastest with channels last, whatever the size of the clips.
        clips = clips.contiguous(memory_format=torch.channels_last_3d)
        with torch.autocast(clips.device.type, self.dtype, cache_enabled=False):
            logits: torch.Tensor = self.network(clips)
        return logits.float()


def _reduced(module: nn.Module, dtype: torch.dtype) -> nn.Module | None:
    if isinstance(module, MaxPooling):
        return _WithoutAutocast(module)
    if isinstance(module, Convolution):
        weight = module.weight.to(dtype, memory_format=torch.channels_last_3d)
        bias = None if module.bias is None else module.bias.to(dtype)
        return Convolution(weight, bias, module.stride, module.padding)
    return None


class _WithoutAutocast(nn.Module):
    """Runs max pooling in its input's dtype; autocast would convert to float32 for nothing."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        with torch.autocast(x.device.type, enabled=False):
            result: torch.Tensor = self.module(x)
        return result


def same_direction(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether the cosine between two gradients is at least `MIN_COSINE`."""
    return float(F.cosine_similarity(one.flatten(), other.flatten(), dim=0)) >= MIN_COSINE
