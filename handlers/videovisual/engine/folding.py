"""Batch normalisation of a frozen network, done by the convolutions before it.

What a normalisation does in evaluation mode, a factor and a summand for each channel (Ioffe &
Szegedy 2015, arXiv 1502.03167), the convolution's own weights can do as well: a pass over every
layer's output is saved, on the way there and on the way back.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary


@dataclass(frozen=True)
class Normalisation:
    """A batch normalisation in evaluation mode: its tensors, [C] each, and its epsilon."""

    mean: torch.Tensor
    variance: torch.Tensor
    weight: torch.Tensor | None
    bias: torch.Tensor | None
    epsilon: float


@dataclass(frozen=True)
class Pair:
    """A convolution, and the normalisation that alone takes what it gives."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    norm: Normalisation

    def fold(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Weights and bias of the one convolution that does what both do."""
        norm = self.norm
        factor = (norm.variance.double() + norm.epsilon).rsqrt()
        if norm.weight is not None:
            factor = factor * norm.weight
        summand = (0 if self.bias is None else self.bias) - norm.mean.double()
        summand = summand * factor
        if norm.bias is not None:
            summand = summand + norm.bias
        weight = self.weight * factor.view(-1, 1, 1, 1, 1)
        return weight.to(self.weight.dtype), summand.to(self.weight.dtype)


class Folding(TorchFunctionMode):
    """While entered, the network's convolutions normalise, and its normalisations do nothing.

    Results differ from the network's own by rounding. What a convolution gives is normalised
    already: who looks at layers inside of the network must not enter this. Several threads may
    enter one of these at once.

    Args:
        network: frozen, in evaluation mode.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._network = network
        self._lock = threading.Lock()
        self._folded: dict[int, tuple[torch.Tensor, torch.Tensor]] | None = None
        self._done: set[int] = set()

    def prepare(self, clips: torch.Tensor) -> Folding:
        """Fold, unless that was done, after a look at how such clips pass through the network."""
        with self._lock:
            if self._folded is None:
                pairs = find_pairs(self._network, clips[:1])
                # Tensors made in inference mode could not take part in a gradient.
                with torch.inference_mode(False), torch.no_grad():
                    self._folded = {id(pair.weight): pair.fold() for pair in pairs}
                self._done = {id(pair.norm.mean) for pair in pairs}
        return self

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.conv3d and self._folded and (found := self._folded.get(id(args[1]))):
            return func(args[0], *found, *args[3:])
        if func is F.batch_norm and id(args[1]) in self._done:
            return args[0]
        return func(*args, **(kwargs or {}))


def find_pairs(network: nn.Module, clip: torch.Tensor) -> list[Pair]:
    """Convolutions that can be folded, in the order of a pass of a clip [1, 3, T, H, W]."""
    trace = _Trace(network)
    with trace, torch.inference_mode():
        network(clip)
    return trace.pairs()


@dataclass
class _Convolved:
    """What a convolution gave: its pair, once it is known, and how often it was taken."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    pair: Pair | None = None
    uses: int = 0


class _Trace(TorchFunctionMode):
    """Notes which normalisations take what convolutions give, and who else does."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self._own = {id(tensor) for tensor in (*network.parameters(), *network.buffers())}
        self._uses: Counter[int] = Counter()
        self._outputs: MutableMapping[torch.Tensor, _Convolved] = WeakIdKeyDictionary()
        self._notes: list[_Convolved] = []

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
                self._use(tensor)
        if func is torch.conv3d and not kwargs:
            self._notes.append(_Convolved(*args[1:3]))
            self._outputs[result] = self._notes[-1]
        elif func is F.batch_norm and (note := self._outputs.get(args[0])) is not None:
            norm = _normalisation(*args[1:], **kwargs)
            note.pair = None if norm is None else Pair(note.weight, note.bias, norm)
        return result

    def _use(self, tensor: torch.Tensor) -> None:
        if id(tensor) in self._own:
            self._uses[id(tensor)] += 1
        elif (note := self._outputs.get(tensor)) is not None:
            note.uses += 1

    def pairs(self) -> list[Pair]:
        """Those whose tensors, and what goes between them, serve nothing else."""
        return [
            note.pair
            for note in self._notes
            if note.pair is not None
            and note.uses == 1
            and all(self._uses[id(one)] == 1 for one in (note.weight, note.pair.norm.mean))
        ]


def _normalisation(
    mean: torch.Tensor | None,
    variance: torch.Tensor | None,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Normalisation | None:
    """Of the arguments of `torch.nn.functional.batch_norm` behind the first."""
    del momentum
    if training or mean is None or variance is None:
        return None
    return Normalisation(mean, variance, weight, bias, eps)


def _tensors(values: Any) -> Iterator[torch.Tensor]:
    if isinstance(values, torch.Tensor):
        yield values
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _tensors(value)
