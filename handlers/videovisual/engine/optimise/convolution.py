"""The convolution of a frozen network, in the form that its device runs fastest."""

from collections.abc import Callable
from typing import cast

import torch
from torch import nn

from videovisual.engine.optimise import convolution_cpu, convolution_gpu
from videovisual.engine.optimise.convolution_forms import Sizes, pad_kernel, to_phases


class Convolution(nn.Module):
    """A 3D convolution by frozen weights. Several threads may run it at once.

    Args:
        weight, bias: as in torch; the input is converted to the weight's dtype.
        stride, padding: in frames, rows and columns.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, stride: Sizes, padding: Sizes
    ) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias
        self.stride, self.padding = stride, padding
        self._cache: dict[str, tuple[int, torch.Tensor]] = {}

    @classmethod
    def of(cls, module: nn.Module) -> "Convolution | None":
        """The same convolution as torch's module; None for other modules and special cases."""
        if (
            type(module) is not nn.Conv3d
            or module.groups != 1
            or module.dilation != (1, 1, 1)
            or module.padding_mode != "zeros"
            or isinstance(module.padding, str)
        ):
            return None
        stride, padding = cast("Sizes", module.stride), cast("Sizes", module.padding)
        return cls(module.weight, module.bias, stride, padding)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, C, T, H, W] → [N, C', T', H', W']."""
        convolve = convolution_cpu.convolve if x.device.type == "cpu" else convolution_gpu.convolve
        return convolve(self, x.to(self.weight.dtype))

    def phase_weight(self) -> torch.Tensor:
        """The weight of the unstrided convolution from the input's phases to the output."""
        return self._cached("phase", self._phases)

    def backward_weight(self) -> torch.Tensor:
        """The weight of the convolution from the output's to the input phases' gradient."""
        return self._cached("backward", lambda x: self._phases(x).flip(2, 3, 4).transpose(0, 1))

    def _phases(self, weight: torch.Tensor) -> torch.Tensor:
        return to_phases(pad_kernel(weight, self.stride), self.stride)

    def _cached(self, name: str, make: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """A form of the weight, made again when the weight changes."""
        weight = self.weight.detach()
        version = 0 if weight.is_inference() else weight._version
        cached = self._cache.get(name)
        if cached is None or cached[0] != version:
            # In 16 bits a GPU is fastest with channels last.
            reduced = weight.dtype in (torch.bfloat16, torch.float16)
            order = torch.channels_last_3d if reduced else torch.contiguous_format
            with torch.inference_mode(False), torch.no_grad():
                cached = version, make(weight).contiguous(memory_format=order)
            self._cache[name] = cached
        return cached[1]
