"""Convolutions of a frozen network in the forms that a device runs fastest.

Torch sends some convolutions to a path that multiplies unfolded copies, several times slower than
oneDNN's: of one clip those with few channels, and on one thread those over time alone. And the
input's gradient of a first layer, which has three channels, leaves most of a vector unit idle.

On a GPU it is the first layer both ways, and in float32 all gradients: of cuDNN's algorithms for
them those that give the same each time take up to eight times as long. A convolution of the
gradient by the turned weights always gives the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional as F

from videovisual.engine.optimise.pooling import MaxPooling

Sizes = tuple[int, int, int]

SMALL = 20_480
"""Clips × channels × frames × rows up to which torch takes its slow path for one clip."""

WORTH_IT = 64
"""Places of an input, T × H × W, up to which the slow path is the fast one."""

ONEDNN: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
"""Whether this torch has it."""

DTYPES = (torch.float32, torch.bfloat16)
"""Of the weights that there are faster forms for."""

UNSTRIDED: Sizes = (1, 1, 1)

FEW_CHANNELS = 4
"""Channels of the inputs whose gradient is sought in phases."""


def quickened(network: nn.Module) -> nn.Module:
    """A copy that shares the network's tensors, whose convolutions take the fastest form and whose
    poolings' gradients are the same each time.

    Sums are added up in another order than torch's, so results differ by some 1e-7 of the largest.
    """
    return replaced(
        _twin(network, {}), lambda _, module: Convolution.of(module) or MaxPooling.of(module)
    )


def _twin(module: nn.Module, made: dict[nn.Module, nn.Module]) -> nn.Module:
    """A tree of modules of its own, whose tensors and all else are the module's.

    A deep copy that keeps the tensors takes ten times as long.
    """
    if module not in made:
        twin = made[module] = module.__class__.__new__(module.__class__)
        for name, value in vars(module).items():
            # Registers of parameters, modules and hooks, to which others may be added.
            vars(twin)[name] = value.copy() if isinstance(value, dict) else value
        for name, child in module._modules.items():
            twin._modules[name] = None if child is None else _twin(child, made)
    return made[module]


def replaced(
    network: nn.Module, substitute: Callable[[str, nn.Module], nn.Module | None]
) -> nn.Module:
    """The network itself, after modules of it gave way to their substitutes, where they have any.

    Args:
        network: is changed.
        substitute: of a module's dotted name and the module.
    """
    for name, module in list(network.named_modules(remove_duplicate=False)):
        other = substitute(name, module)
        if name and other is not None:
            parent, _, leaf = name.rpartition(".")
            setattr(network.get_submodule(parent), leaf, other)
    return network


class Convolution(nn.Module):
    """A convolution by frozen weights, on a processor in the fastest form.

    Several threads may run one at once.

    Args:
        weight, bias: as of torch's; what comes in is brought to the weights' kind of numbers.
        stride, padding: in frames, rows and columns.
    """

    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor | None, stride: Sizes, padding: Sizes
    ) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias
        self.stride, self.padding = stride, padding
        self._made: dict[str, tuple[int, torch.Tensor]] = {}

    @classmethod
    def of(cls, module: nn.Module) -> Convolution | None:
        """The same as torch's module; None where it is anything else, or a special case."""
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
        weight = self.weight
        x = x.to(weight.dtype)
        if x.device.type != "cpu":
            return self.on_gpu(x)
        form: type[torch.autograd.Function] | None = None
        if weight.dtype in DTYPES and ONEDNN:
            if weight.dtype == torch.float32 and _torch_is_slow(x, weight, self.stride):
                form = _Unstrided
            elif _is_stem(x, weight, self.stride):
                form = _Strided
        if form is None or not (torch.is_grad_enabled() and x.requires_grad):
            if form is _Unstrided:
                return _unstrided(x, weight, self.bias, self.padding)
            return F.conv3d(x, weight, self.bias, self.stride, self.padding)
        return self._differentiable(form, x, weight, self.stride, self.padding)

    def on_gpu(self, x: torch.Tensor) -> torch.Tensor:
        """The same, in the forms that are a GPU's."""
        weight, stride, padding = self.weight, self.stride, self.padding
        if _is_stem(x, weight, stride):
            x = _phases(_padded(x, weight, stride, padding), stride)
            weight, stride, padding = self._in_phases(), UNSTRIDED, (0, 0, 0)
        if weight.dtype != torch.float32 or not (torch.is_grad_enabled() and x.requires_grad):
            return F.conv3d(x, weight, self.bias, stride, padding)
        form = _Unstrided if stride == UNSTRIDED else _Strided
        return self._differentiable(form, x, weight, stride, padding)

    def _differentiable(
        self,
        form: type[torch.autograd.Function],
        x: torch.Tensor,
        weight: torch.Tensor,
        stride: Sizes,
        padding: Sizes,
    ) -> torch.Tensor:
        result: torch.Tensor = form.apply(  # type: ignore[no-untyped-call]
            x, weight, self.bias, stride, padding, self._turned()
        )
        return result

    def _in_phases(self) -> torch.Tensor:
        """The weights by which the input's phases become the output."""
        return self._kept(
            "phases", lambda weight: _phases(_whole(weight, self.stride), self.stride)
        )

    def _turned(self) -> torch.Tensor:
        """The weights by which a gradient at the output becomes one at the input's phases."""

        def turned(weight: torch.Tensor) -> torch.Tensor:
            phases = _phases(_whole(weight, self.stride), self.stride)
            return phases.flip(2, 3, 4).transpose(0, 1)

        return self._kept("turned", turned)

    def _kept(self, name: str, make: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """What was made of the weights, as long as they are the same."""
        weight = self.weight.detach()
        version = 0 if weight.is_inference() else weight._version
        made = self._made.get(name)
        if made is None or made[0] != version:
            # In sixteen bits a GPU's units are fed best with channels last.
            last = weight.dtype in (torch.bfloat16, torch.float16)
            order = torch.channels_last_3d if last else torch.contiguous_format
            with torch.inference_mode(False), torch.no_grad():
                made = version, make(weight).contiguous(memory_format=order)
            self._made[name] = made
        return made[1]


def _torch_is_slow(x: torch.Tensor, weight: torch.Tensor, stride: Sizes) -> bool:
    """Whether oneDNN would be faster than what torch takes for an unstrided convolution."""
    kernel = weight.shape[2:]
    if stride != UNSTRIDED or prod(kernel) == 1 or prod(x.shape[2:]) <= WORTH_IT:
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


def _padded(x: torch.Tensor, weight: torch.Tensor, stride: Sizes, padding: Sizes) -> torch.Tensor:
    """With zeros around, just as many frames, rows and columns as whole weights see."""
    sides: list[int] = []
    for size, kernel, step, pad in zip(
        x.shape[:1:-1], weight.shape[:1:-1], stride[::-1], padding[::-1], strict=True
    ):
        places = (size + 2 * pad - kernel) // step + 1
        sides += [pad, step * (places - 1 + -(-kernel // step)) - size - pad]
    return F.pad(x, sides)


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
    if x.device.type != "cpu":
        return F.conv3d(x, weight, bias, UNSTRIDED, tuple(padding))
    result: torch.Tensor = torch.ops.aten.mkldnn_convolution(
        x, weight, bias, padding, UNSTRIDED, UNSTRIDED, 1
    )
    return result


class _Unstrided(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        _stride: Sizes,
        padding: Sizes,
        turned: torch.Tensor,
    ) -> torch.Tensor:
        ctx.turned, ctx.padding = turned, padding
        return _unstrided(x, weight, bias, padding)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rest = zip(ctx.turned.shape[2:], ctx.padding, strict=True)
        padding = [size - 1 - pad for size, pad in rest]
        return _unstrided(gradient.contiguous(), ctx.turned, None, padding), *[None] * 5


class _Strided(torch.autograd.Function):
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
        return padded[:, :, t, h, w], *[None] * 5
