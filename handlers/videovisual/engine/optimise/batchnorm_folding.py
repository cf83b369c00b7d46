"""Batch normalisation of a frozen network, done by the convolutions before it.

What a normalisation does in evaluation mode, a factor and a summand for each channel (Ioffe &
Szegedy 2015, arXiv 1502.03167), the convolution's own weights can do as well: a pass over every
layer's output is saved, on the way there and on the way back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from videovisual.engine.optimise.convolution import Convolution, quickened, replaced


@dataclass(frozen=True)
class Folded:
    """A network's copy whose convolutions normalise, and whose normalisations do nothing.

    Attributes:
        network: it shares the tensors that are as they were. Its results differ from the
            original's by rounding.
        pairs: the names of its convolutions that normalise, in the order of a pass, with those of
            the normalisations that do nothing.
    """

    network: nn.Module
    pairs: Mapping[str, str]

    def until(self, layer: str, original: nn.Module) -> nn.Module | None:
        """A copy that is folded as far as a layer reaches, and the original above it.

        The layer's activations, and the gradient at them, are the original's but for rounding: no
        rectifier turns above it that didn't before. None where nothing in the layer was folded, or
        across its end.
        """

        def inside(name: str) -> bool:
            return f"{name}.".startswith(f"{layer}.")

        names = list(self.pairs)
        reach = max((place + 1 for place, name in enumerate(names) if inside(name)), default=0)
        if not all(inside(self.pairs[name]) for name in names if inside(name)) or not reach:
            return None
        if reach == len(names):
            return self.network
        modules = dict(original.named_modules(remove_duplicate=False))
        taken = {modules[each] for name in names[:reach] for each in (name, self.pairs[name])}
        with torch.inference_mode(False), torch.no_grad():
            return replaced(
                quickened(original),
                lambda name, _: (
                    self.network.get_submodule(name) if modules[name] in taken else None
                ),
            )


def folded(network: nn.Module, clip: torch.Tensor) -> Folded:
    """Fold what can be folded.

    Args:
        network: frozen, in evaluation mode.
        clip: [1, 3, T, H, W], any; how it passes through the network shows what can be folded.
    """
    # By the modules themselves, of which one may have several names.
    modules = dict(network.named_modules(remove_duplicate=False))
    pairs = find_pairs(network, clip)
    norms = {modules[one]: modules[other] for one, other in pairs.items()}
    done = set(norms.values())

    def substitute(name: str, module: nn.Module) -> nn.Module | None:
        if modules[name] in done:
            return nn.Identity()
        if modules[name] in norms and isinstance(module, Convolution):
            return _fold(module, norms[modules[name]])
        return None

    # Tensors made in inference mode could not take part in a gradient.
    with torch.inference_mode(False), torch.no_grad():
        return Folded(replaced(quickened(network), substitute), pairs)


def _fold(convolution: Convolution, norm: nn.Module) -> Convolution:
    """The one convolution that does what both do."""
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
    """Convolutions, each with the normalisation that alone takes what it gives.

    Args:
        network: in evaluation mode.
        clip: [1, 3, T, H, W].

    Returns:
        Dotted names, in the order of a pass.
    """
    trace = _Trace()
    handles = []
    for name, module in network.named_modules():
        if Convolution.of(module) is not None:
            handles.append(module.register_forward_hook(trace.convolution(name)))
        elif type(module) is nn.BatchNorm3d and module.running_mean is not None:
            handles.append(module.register_forward_hook(trace.normalisation(name)))
    try:
        with trace, torch.inference_mode():
            network(clip)
    finally:
        for handle in handles:
            handle.remove()
    return trace.pairs()


@dataclass
class _Convolved:
    """What a convolution gave: which took it, once one is known, and how often it was taken."""

    name: str
    norm: str | None = None
    uses: int = 0


class _Trace(TorchFunctionMode):
    """Notes which normalisations take what convolutions give, and who else does."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: Counter[str] = Counter()
        self._outputs: MutableMapping[torch.Tensor, _Convolved] = WeakIdKeyDictionary()
        self._notes: list[_Convolved] = []

    def convolution(self, name: str) -> Any:
        """A hook for the convolution of that name."""

        def note(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            self._calls[name] += 1
            self._notes.append(_Convolved(name))
            self._outputs[output] = self._notes[-1]

        return note

    def normalisation(self, name: str) -> Any:
        """A hook for the normalisation of that name."""

        def note(_module: nn.Module, inputs: tuple[torch.Tensor], _output: object) -> None:
            self._calls[name] += 1
            if (convolved := self._outputs.get(inputs[0])) is not None:
                convolved.norm = name

        return note

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        # What gives no tensor has only asked for a size.
        if isinstance(result, torch.Tensor | tuple | list):
            for tensor in _tensors([*args, *kwargs.values()]):
                if (convolved := self._outputs.get(tensor)) is not None:
                    convolved.uses += 1
        return result

    def pairs(self) -> dict[str, str]:
        """Those that, like what goes between them, serve nothing else."""
        return {
            note.name: note.norm
            for note in self._notes
            if note.norm is not None
            and note.uses == 1
            and self._calls[note.name] == self._calls[note.norm] == 1
        }


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)
