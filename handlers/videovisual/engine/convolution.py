"""Convolutions of a frozen network in the forms that a processor runs fastest.

Torch sends some convolutions to a path that multiplies unfolded copies, several times slower than
oneDNN's: of one clip those with few channels, and on one thread those over time alone. And the
input's gradient of a first layer, which has three channels, leaves most of a vector unit idle.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

Sizes = tuple[int, int, int]

SMALL = 20_480
"""Clips × channels × frames × rows up to which torch takes its slow path for one clip."""

WORTH_IT = 64
"""Places of an input, T × H × W, up to which the slow path is the fast one."""

FEW_CHANNELS = 4
"""Channels of the inputs whose gradient is sought in phases."""


class Convolutions(TorchFunctionMode):
    """While entered, `conv3d` by frozen float32 weights on a processor takes the fastest form.

    Sums are added up in another order than torch's, so results differ by some 1e-7 of the largest.
    Several threads may enter one of these at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._turned: dict[tuple[int, Sizes], tuple[torch.Tensor, int, torch.Tensor]] = {}

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.conv3d and not kwargs and _plain(*args):
            x, weight, bias, stride, padding, *_ = args
            stride, padding = tuple(stride), tuple(padding)
            if _torch_is_slow(x, weight, stride):
                turned = self._turn(weight, (1, 1, 1))
                return _Unstrided.apply(x, weight, bias, padding, turned)  # type: ignore[no-untyped-call]
            if _is_stem(x, weight, stride):
                turned = self._turn(weight, stride)
                return _Stem.apply(x, weight, bias, stride, padding, turned)  # type: ignore[no-untyped-call]
        return func(*args, **(kwargs or {}))

    def _turn(self, weight: torch.Tensor, stride: Sizes) -> torch.Tensor:
        """The weights by which a gradient at the output becomes one at the input's phases.

        Made once; the weights are kept with it, so that no others can take their place in memory.
        """
        version = 0 if weight.is_inference() else weight._version
        held = self._turned.get((id(weight), stride))
        if held is None or held[1] != version:
            turned = _phases(_whole(weight.detach(), stride), stride)
            held = (weight, version, turned.flip(2, 3, 4).transpose(0, 1).contiguous())
            self._turned[id(weight), stride] = held
        return held[2]


def _plain(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> bool:
    return (
        isinstance(stride, Sequence)
        and isinstance(padding, Sequence)
        and not isinstance(padding, str)
        and len(stride) == len(padding) == 3
        and dilation in (1, (1, 1, 1), [1, 1, 1])
        and groups == 1
        and x.ndim == 5
        and x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and not weight.requires_grad
        and (bias is None or not bias.requires_grad)
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    )


def _torch_is_slow(x: torch.Tensor, weight: torch.Tensor, stride: Sizes) -> bool:
    """Whether oneDNN would be faster than what torch takes for an unstrided convolution."""
    kernel = weight.shape[2:]
    if stride != (1, 1, 1) or prod(kernel) == 1 or prod(x.shape[2:]) <= WORTH_IT:
        return False
    small = x.shape[0] == 1 and prod(x.shape[:4]) <= SMALL and not (kernel[1] > 3 and kernel[2] > 3)
    over_time = kernel[1] == kernel[2] == 1 and x.shape[0] < 16 and torch.get_num_threads() == 1
    return small or over_time


def _is_stem(x: torch.Tensor, weight: torch.Tensor, stride: Sizes) -> bool:
    return x.shape[1] <= FEW_CHANNELS and prod(stride) > 1 and weight.shape[3] > stride[1]


def _whole(weight: torch.Tensor, stride: Sizes) -> torch.Tensor:
    """Weights with zeros behind, so that their sizes are multiples of the stride."""
    missing = [-size % step for size, step in zip(weight.shape[2:], stride, strict=True)]
    return F.pad(weight, [side for one in reversed(missing) for side in (0, one)])


def _phases(x: torch.Tensor, stride: Sizes) -> torch.Tensor:
    """[N, C, T, H, W] → [N, C × phases, T / stride, H / stride, W / stride]."""
    n, c, *sizes = x.shape
    (t, t_step), (h, h_step), (w, w_step) = (
        (size // step, step) for size, step in zip(sizes, stride, strict=True)
    )
    x = x.reshape(n, c, t, t_step, h, h_step, w, w_step).permute(0, 1, 3, 5, 7, 2, 4, 6)
    return x.reshape(n, c * prod(stride), t, h, w)


def _from_phases(x: torch.Tensor, stride: Sizes) -> torch.Tensor:
    """The inverse of `_phases`."""
    n, c, t, h, w = x.shape
    x = x.reshape(n, c // prod(stride), *stride, t, h, w).permute(0, 1, 5, 2, 6, 3, 7, 4)
    return x.reshape(n, -1, t * stride[0], h * stride[1], w * stride[2])


def _unstrided(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, padding: Sequence[int]
) -> torch.Tensor:
    ones = (1, 1, 1)
    result: torch.Tensor = torch.ops.aten.mkldnn_convolution(
        x, weight, bias, padding, ones, ones, 1
    )
    return result


class _Unstrided(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        padding: Sizes,
        turned: torch.Tensor,
    ) -> torch.Tensor:
        ctx.turned, ctx.padding = turned, padding
        return _unstrided(x, weight, bias, padding)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rest = zip(ctx.turned.shape[2:], ctx.padding, strict=True)
        padding = [size - 1 - pad for size, pad in rest]
        return _unstrided(gradient.contiguous(), ctx.turned, None, padding), None, None, None, None


class _Stem(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        stride: Sizes,
        padding: Sizes,
        turned: torch.Tensor,
    ) -> torch.Tensor:
        ctx.turned, ctx.stride, ctx.padding, ctx.sizes = turned, stride, padding, x.shape[2:]
        return F.conv3d(x, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        whole = [size - 1 for size in ctx.turned.shape[2:]]
        phases = _unstrided(gradient.contiguous(), ctx.turned, None, whole)
        padded = _from_phases(phases, ctx.stride)
        # What lies beyond the last stride was not seen: its gradient is 0.
        beyond = [
            max(0, size + pad - have)
            for size, pad, have in zip(ctx.sizes, ctx.padding, padded.shape[2:], strict=True)
        ]
        padded = F.pad(padded, [side for one in reversed(beyond) for side in (0, one)])
        t, h, w = (slice(pad, pad + size) for size, pad in zip(ctx.sizes, ctx.padding, strict=True))
        return padded[:, :, t, h, w], None, None, None, None, None
