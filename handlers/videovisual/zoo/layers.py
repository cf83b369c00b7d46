"""Grad-CAM's default layer of a network of any kind."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from videovisual.engine.activations import Places, tensor_of
from videovisual.engine.attention import operation
from videovisual.errors import UnsuitableMethod

NORMS = {"layer_norm", "native_layer_norm", "rms_norm"}


@dataclass(frozen=True)
class _Layer:
    """A module's part in a pass: the first tensor that it was given, and what it gave.

    Attributes:
        normalised: whether layer norm gave its output.
    """

    name: str
    given: torch.Tensor | None
    output: torch.Tensor
    normalised: bool

    @property
    def parent(self) -> str:
        """The name of the module that contains it."""
        return self.name.rpartition(".")[0]

    def is_whole(self, others: Sequence["_Layer"]) -> bool:
        """Whether it has all that the network knows of a place.

        A part of it have one of several projections of the same tokens, as queries and keys are,
        and a layer that gives as many tokens other channels than it takes.
        """
        if self.output.ndim != 3 or self.given is None:
            return True
        siblings = [each for each in others if each.parent == self.parent and each is not self]
        shared = any(each.given is self.given for each in siblings)
        pooled = self.given.shape[1] != self.output.shape[1]
        return (pooled or self.given.shape == self.output.shape) and not shared


def cam_layer(network: nn.Module, clip: torch.Tensor) -> str:
    """The dotted name of the last module whose output still has several places in space.

    Where a transformer's answer is read from a class token, its last outputs have no gradient at
    the patches' tokens. Therefore it is the last module at which the gradient of the best class's
    score is not zero everywhere, or at a single place. Outputs of layer norm are left out: they
    have lost how strong each place is, and point at the evidence far less often than what goes
    through the blocks (docs/methods.md).

    Args:
        network: an `AdaptedNetwork`, or the program of one; in evaluation mode.
        clip: float32 [3, T, H, W].

    Returns:
        The name; empty if no module's output has places in space and time.
    """
    layers, score = _run(network, clip)
    runs = Counter(layer.name for layer in layers)
    places = Places(network, clip)
    found = [layer for layer in _spatial(layers, places) if runs[layer.name] == 1]
    # Of a transformer, outputs of four axes are the weights of its attention.
    candidates = [layer for layer in found if layer.output.ndim != 4] or found
    candidates = [layer for layer in candidates if not layer.normalised] or candidates
    gradients = _gradients(score, [layer.output for layer in candidates])
    for layer, gradient in zip(reversed(candidates), reversed(gradients), strict=True):
        arranged = None if gradient is None else places.arrange(gradient, 1)
        if arranged is not None and arranged.any(dim=1).sum() > 1:
            return layer.name
    return candidates[-1].name if candidates else ""


class _Norms(TorchFunctionMode):
    """Keeps all outputs of layer norm, so that no other tensor can get their id."""

    def __init__(self) -> None:
        super().__init__()
        self._outputs: dict[int, torch.Tensor] = {}

    def __contains__(self, output: torch.Tensor) -> bool:
        return id(output) in self._outputs

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run a function of torch."""
        output = func(*args, **(kwargs or {}))
        if operation(func) in NORMS:
            self._outputs[id(output)] = output
        return output


def _run(network: nn.Module, clip: torch.Tensor) -> tuple[list[_Layer], torch.Tensor]:
    """All modules that gave a tensor, in the order in which they ended, and the best score."""
    layers: list[_Layer] = []
    norms = _Norms()

    def look(name: str, inputs: tuple[Any, ...], named: Mapping[str, Any], output: object) -> None:
        tensors = (each for each in (*inputs, *named.values()) if isinstance(each, torch.Tensor))
        found = tensor_of(output)
        if found is not None:
            layers.append(_Layer(name, next(tensors, None), found, found in norms))

    with ExitStack() as hooks, torch.enable_grad():
        for name, module in network.get_submodule("module").named_modules():
            handle = module.register_forward_hook(
                lambda _module, inputs, named, output, name=name: look(name, inputs, named, output),
                with_kwargs=True,
            )
            hooks.callback(handle.remove)
        # A copy, because a network may change its input in place, and torch refuses that of a leaf.
        leaf = clip[None].detach().requires_grad_().clone()
        with norms:
            score = network(leaf).max()
    return layers, score


def _spatial(layers: Sequence[_Layer], places: Places) -> Iterator[_Layer]:
    """The layers with several places in space."""
    has_tokens = any(layer.output.ndim == 3 for layer in layers)
    if has_tokens:
        try:
            has_tokens = bool(places.tokens)
        except UnsuitableMethod:
            has_tokens = False
    for layer in layers:
        if layer.output.ndim == 3 and not (has_tokens and layer.is_whole(layers)):
            continue
        arranged = places.arrange(layer.output.detach(), 1)
        if arranged is not None and min(arranged.shape[3:]) > 1:
            yield layer


def _gradients(
    score: torch.Tensor, outputs: Sequence[torch.Tensor]
) -> Sequence[torch.Tensor | None]:
    """The score's gradient at each output; None where it doesn't depend on it."""
    differentiable = [each for each in outputs if each.requires_grad]
    if not score.requires_grad or not differentiable:
        return [None] * len(outputs)
    found = iter(torch.autograd.grad(score, differentiable, allow_unused=True))
    return [next(found) if each.requires_grad else None for each in outputs]
