"""The one place where a network is run: device, batching, gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F

from videovisual.engine.probe import Objective, Probe, Reading
from videovisual.errors import InvalidParameter
from videovisual.suggest import nearest


def check_layer(network: nn.Module, name: str, parameter: str = "layer") -> None:
    """Raises InvalidParameter unless the network has a module of that name."""
    modules = dict(network.named_modules())
    if not name or name not in modules:
        allowed = [key for key in modules if key and key.count(".") == 0]
        raise InvalidParameter(
            f"The network has no layer {name!r}. Its top-level layers are "
            f"{', '.join(allowed)}; modules inside them are named with dots.",
            parameter=parameter,
            given=name,
            nearest=nearest(name, modules),
            allowed=allowed,
        )


class Oracle:
    """Answers probes from one network on one device.

    Args:
        network: frozen, in evaluation mode; maps [N, 3, T, H, W] to [N, classes].
        device: where it runs; the network is moved there.
        batch: the most clips in one forward pass.
    """

    def __init__(self, network: nn.Module, device: torch.device | str, batch: int = 1) -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device).eval().requires_grad_(False)
        self.batch = batch

    def check_layer(self, name: str) -> None:
        """Raises InvalidParameter unless the network has a module of that name."""
        check_layer(self.network, name)

    def evaluate(self, probe: Probe) -> Reading:
        """The reading of one probe, in as many passes as `batch` asks for.

        Raises:
            InvalidParameter: the probe's layer does not exist or is not [N, C, T, H, W].
        """
        clips = torch.split(probe.clips.to(self.device), self.batch)
        targets: Sequence[torch.Tensor | None]
        if probe.targets is None:
            targets = [None] * len(clips)
        else:
            targets = torch.split(probe.targets.to(self.device), self.batch)
        return _join([self._pass(probe, *pair) for pair in zip(clips, targets, strict=True)])

    def _pass(self, probe: Probe, clips: torch.Tensor, targets: torch.Tensor | None) -> Reading:
        if probe.apply is not None and targets is not None:
            with torch.enable_grad():
                applied = probe.apply(self.network, clips, targets).detach()
            return Reading(clips.new_empty(len(clips), 0), applied=applied)
        if targets is None or not probe.differentiates:
            with torch.inference_mode():
                return Reading(self.network(clips))
        if probe.layer is not None:
            return self._at_layer(probe, clips, targets, probe.layer)
        with torch.enable_grad():
            leaf = clips.detach().requires_grad_()
            logits = self.network(leaf)
            (gradient,) = torch.autograd.grad(_objective(probe, logits, targets), leaf)
        return Reading(logits.detach(), gradient=gradient)

    def _at_layer(
        self, probe: Probe, clips: torch.Tensor, targets: torch.Tensor, layer: str
    ) -> Reading:
        self.check_layer(layer)
        with torch.enable_grad(), _leaf_at(self.network.get_submodule(layer)) as leaves:
            logits = self.network(clips)
            if len(leaves) != 1 or leaves[0].ndim != 5:
                raise InvalidParameter(
                    f"Layer {layer!r} does not give one [N, C, T, H, W] tensor a pass. "
                    "Name a convolutional stage.",
                    parameter="layer",
                    given=layer,
                )
            (gradient,) = torch.autograd.grad(_objective(probe, logits, targets), leaves[0])
        return Reading(logits.detach(), activation=leaves[0].detach(), activation_gradient=gradient)


def _objective(probe: Probe, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if probe.objective is Objective.LOG_PROBABILITY:
        logits = logits.log_softmax(dim=1)
    elif probe.objective is Objective.LOG_COMPLEMENT:
        target = F.one_hot(targets, logits.shape[1]).bool()
        others = logits.masked_fill(target, -torch.inf).logsumexp(dim=1)
        return (others - logits.logsumexp(dim=1)).sum()
    return logits.gather(1, targets[:, None]).sum()


@contextmanager
def _leaf_at(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    """While open, the module's output starts the graph: nothing below it is differentiated."""
    leaves: list[torch.Tensor] = []

    def cut(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        leaf = output.detach().requires_grad_()
        leaves.append(leaf)
        return leaf

    handle = module.register_forward_hook(cut)
    try:
        yield leaves
    finally:
        handle.remove()


def _join(parts: Sequence[Reading]) -> Reading:
    if len(parts) == 1:
        return parts[0]

    def cat(tensors: list[torch.Tensor | None]) -> torch.Tensor | None:
        present = [tensor for tensor in tensors if tensor is not None]
        return torch.cat(present) if present else None

    return Reading(
        torch.cat([part.logits for part in parts]),
        gradient=cat([part.gradient for part in parts]),
        activation=cat([part.activation for part in parts]),
        activation_gradient=cat([part.activation_gradient for part in parts]),
        applied=cat([part.applied for part in parts]),
    )
