"""Batch norm of a frozen network, folded into the convolutions before it.

In evaluation mode batch norm is a factor and a summand for each channel (Ioffe & Szegedy 2015,
arXiv 1502.03167), which the convolution's weights can include. That saves a pass over the output of
every layer, forward and backward.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from videovisual.engine.optimise.convolution import Convolution
from videovisual.engine.optimise.network import optimised, replace_modules, shallow_copy


@dataclass(frozen=True)
class FoldedNetwork:
    """A copy of a network whose folded batch norms are replaced by the identity.

    Attributes:
        network: shares the tensors that are not folded. Its results differ from the original's by
            rounding.
        pairs: names of the convolutions, in the order of a pass, with those of the batch norms that
            are folded into them.
    """

    network: nn.Module
    pairs: Mapping[str, str]

    def up_to(self, layer: str, original: nn.Module) -> nn.Module | None:
        """A copy that is folded up to the end of a layer and equals the original above it.

        The layer's activations, and the gradient at them, are the original's up to rounding: above
        the layer no ReLU flips. None if nothing in the layer was folded, or if a folded batch norm
        lies beyond the layer that its convolution is in.
        """

        def inside(name: str) -> bool:
            return f"{name}.".startswith(f"{layer}.")

        names = list(self.pairs)
        end = max((place + 1 for place, name in enumerate(names) if inside(name)), default=0)
        if not all(inside(self.pairs[name]) for name in names if inside(name)) or not end:
            return None
        if end == len(names):
            return self.network
        modules = dict(original.named_modules(remove_duplicate=False))
        folded = {modules[each] for name in names[:end] for each in (name, self.pairs[name])}
        with torch.inference_mode(False), torch.no_grad():
            return replace_modules(
                optimised(original),
                lambda name, _: (
                    self.network.get_submodule(name) if modules[name] in folded else None
                ),
            )


def fold(network: nn.Module, clip: torch.Tensor) -> FoldedNetwork:
    """Fold every batch norm that `find_pairs` finds.

    Args:
        network: frozen, in evaluation mode.
        clip: any clip, [1, 3, T, H, W].
    """
    # Compare modules rather than names, since one module may have several names.
    modules = dict(network.named_modules(remove_duplicate=False))
    pairs = find_pairs(network, clip)
    norms = {modules[convolution]: modules[norm] for convolution, norm in pairs.items()}
    folded = set(norms.values())

    def substitute(name: str, module: nn.Module) -> nn.Module | None:
        if modules[name] in folded:
            return nn.Identity()
        if modules[name] in norms and isinstance(module, Convolution):
            return _fold(module, norms[modules[name]])
        return None

    # Tensors made in inference mode cannot take part in a gradient.
    with torch.inference_mode(False), torch.no_grad():
        return FoldedNetwork(replace_modules(optimised(network), substitute), pairs)


def _fold(convolution: Convolution, norm: nn.Module) -> Convolution:
    """One convolution that does the work of both; computed in float64."""
    assert isinstance(norm, nn.BatchNorm3d)
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None
    assert variance is not None
    factor = (variance.double() + norm.eps).rsqrt()
    if norm.affine:
        factor = factor * norm.weight
    summand = (0 if convolution.bias is None else convolution.bias) - mean.double()
    summand = summand * factor
    if norm.affine:
        summand = summand + norm.bias
    weight = convolution.weight * factor.view(-1, 1, 1, 1, 1)
    dtype = convolution.weight.dtype
    return Convolution(weight.to(dtype), summand.to(dtype), convolution.stride, convolution.padding)


def find_pairs(network: nn.Module, clip: torch.Tensor) -> dict[str, str]:
    """Convolutions whose output only one batch norm reads, where both run once in a pass.

    A pass runs on a copy whose convolutions mark their outputs. A network that fails on marked
    tensors has no pairs.

    Args:
        network: in evaluation mode.
        clip: [1, 3, T, H, W].

    Returns:
        Dotted names of convolutions, in the order of a pass, with those of their batch norms.
    """
    copy = shallow_copy(network)
    calls: Counter[str] = Counter()
    outputs: list[_Readers] = []

    def mark(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
            calls[name] += 1
            outputs.append(_Readers(name))
            marked = output.as_subclass(_Output)
            marked.readers = outputs[-1]
            return marked

        return hook

    def unmark(name: str) -> Any:
        def hook(_module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor | None:
            calls[name] += 1
            if not inputs or not isinstance(inputs[0], _Output):
                return None
            inputs[0].readers.norms.append(name)
            with torch._C.DisableTorchFunctionSubclass():
                return inputs[0].as_subclass(torch.Tensor)

        return hook

    for name, module in copy.named_modules():
        if Convolution.of(module) is not None:
            module.register_forward_hook(mark(name))
        elif type(module) is nn.BatchNorm3d and module.running_mean is not None:
            module.register_forward_pre_hook(unmark(name))
    try:
        with torch.inference_mode():
            copy(clip)
    except torch.OutOfMemoryError:
        raise
    except Exception:
        return {}
    return {
        output.convolution: output.norms[0]
        for output in outputs
        if len(output.norms) == 1
        and not output.others
        and calls[output.convolution] == calls[output.norms[0]] == 1
    }


@dataclass
class _Readers:
    """The readers of a convolution's output: batch norms, and whether there are others."""

    convolution: str
    norms: list[str] = field(default_factory=list)
    others: bool = False


class _Output(torch.Tensor):
    """The output of a convolution, which notices every function of torch that reads it."""

    readers: _Readers

    @classmethod
    def __torch_function__(
        cls,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        for value in tree_leaves((args, kwargs)):
            if isinstance(value, cls):
                value.readers.others = True
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))
