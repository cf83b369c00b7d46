"""The steps of a program that become PyTorch's own layers, which the engine can optimise."""

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn

from videovisual.zoo.program.graph import Ref, Step
from videovisual.zoo.program.operators import find, name_of

Tensors = Mapping[str, torch.Tensor]
Triple = tuple[int, int, int]

CONVOLUTIONS = ("conv3d", "convolution")
NORMS = ("batch_norm", "_native_batch_norm_legit_no_training")
POOLS = ("max_pool3d", "max_pool3d_with_indices")


def layer_of(
    step: Step, tensors: Tensors, convolved: Collection[str], read: Collection[str]
) -> tuple[nn.Module, Ref] | None:
    """The layer that does the same as a step, and its input; None for most steps.

    Args:
        step: of a program.
        tensors: the program's weights, buffers and constants by the names of the values.
        convolved: names of values that 3D convolutions give.
        read: names of values that steps read.
    """
    name = name_of(step.target)
    if name not in (*CONVOLUTIONS, *NORMS, *POOLS) or not step.target.endswith(".default"):
        return None
    if any(output in read for output in step.outputs[1:]):
        return None
    given = arguments(step)
    source = given.get("input", given.get("self"))
    if not isinstance(source, Ref) or source.name in tensors:
        return None
    layer: nn.Module | None
    if name in CONVOLUTIONS:
        layer = _convolution(given, tensors)
    elif name in POOLS:
        layer = _pool(given)
    else:
        layer = _norm(given, tensors) if source.name in convolved else None
    return None if layer is None else (layer, source)


def arguments(step: Step) -> dict[str, Any]:
    """A step's arguments by name, with the defaults of those that are not given."""
    schema = find(step.target)._schema.arguments  # type: ignore[attr-defined]
    values = {each.name: each.default_value for each in schema}
    values |= dict(zip(values, step.args, strict=False))
    return values | dict(step.kwargs)


def _convolution(given: Mapping[str, Any], tensors: Tensors) -> nn.Conv3d | None:
    weight, bias = _tensor(given["weight"], tensors), _tensor(given["bias"], tensors)
    sizes = [_triple(given[name]) for name in ("stride", "padding", "dilation")]
    transposed = given.get("transposed", False)
    if weight is None or weight.ndim != 5 or transposed or None in sizes:
        return None
    if given["bias"] is not None and bias is None:
        return None
    stride, padding, dilation = (size for size in sizes if size is not None)
    layer = nn.Conv3d(
        weight.shape[1] * given["groups"],
        weight.shape[0],
        (weight.shape[2], weight.shape[3], weight.shape[4]),
        stride,
        padding,
        dilation,
        given["groups"],
        bias=bias is not None,
        device="meta",
    )
    layer.weight = frozen(weight)
    layer.bias = None if bias is None else frozen(bias)
    return layer


def _norm(given: Mapping[str, Any], tensors: Tensors) -> nn.BatchNorm3d | None:
    names = ("weight", "bias", "running_mean", "running_var")
    weight, bias, mean, variance = (_tensor(given[name], tensors) for name in names)
    if weight is None or bias is None or mean is None or variance is None:
        return None
    layer = nn.BatchNorm3d(len(mean), given["eps"])
    layer.weight, layer.bias = frozen(weight), frozen(bias)
    layer.running_mean, layer.running_var = mean, variance
    return layer


def _pool(given: Mapping[str, Any]) -> nn.MaxPool3d | None:
    kernel = _triple(given["kernel_size"])
    stride = _triple(given["stride"] or given["kernel_size"])
    padding, dilation = _triple(given["padding"]), _triple(given["dilation"])
    if kernel is None or stride is None or padding is None or dilation is None:
        return None
    return nn.MaxPool3d(kernel, stride, padding, dilation, ceil_mode=given["ceil_mode"])


def frozen(tensor: torch.Tensor) -> nn.Parameter:
    """The tensor as a parameter without gradient, which copies on other devices share."""
    return tensor if isinstance(tensor, nn.Parameter) else nn.Parameter(tensor, requires_grad=False)


def _tensor(value: Any, tensors: Tensors) -> torch.Tensor | None:
    return tensors.get(value.name) if isinstance(value, Ref) else None


def _triple(value: Any) -> Triple | None:
    """A size for frames, rows and columns; None where it depends on the clip."""
    values = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(each, int) for each in values):
        return None
    one, *others = values
    return (one, one, one) if not others else (one, others[0], others[1])
