"""The one place where a network is run: device, batching, gradients."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F

from videovisual.engine.batch import Kind, Pending
from videovisual.engine.convolution import quickened
from videovisual.engine.exclusive import TORCH
from videovisual.engine.folding import folded
from videovisual.engine.probe import Objective, Probe, Reading
from videovisual.errors import InvalidParameter
from videovisual.suggest import nearest

LARGE = 3 * 16 * 112 * 112
"""Values of a clip from which a processor runs a network faster with its channels last."""


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
    """Answers probes from one network on one device; several threads may ask at once.

    Args:
        network: frozen, in evaluation mode; maps [N, 3, T, H, W] to [N, classes].
        device: where it runs; the network is moved there.
        batch: the most clips in one forward pass.
    """

    def __init__(self, network: nn.Module, device: torch.device | str, batch: int = 1) -> None:
        self.device = torch.device(device)
        self.network = network.to(self.device).eval().requires_grad_(False)
        self.batch = batch
        self._exact = quickened(self.network)
        self._quick: nn.Module | None = None
        self._lock = threading.Lock()

    def prepare(self, clip: torch.Tensor) -> None:
        """Do now what the first quick gradient at a clip [3, T, H, W] would wait for."""
        with TORCH.shared():
            self._folded(clip[None].to(self.device))

    def check_layer(self, name: str) -> None:
        """Raises InvalidParameter unless the network has a module of that name."""
        check_layer(self.network, name)

    def evaluate(self, probe: Probe) -> Reading:
        """The reading of one probe, in as many passes as `batch` asks for.

        Raises:
            InvalidParameter: the probe's layer does not exist or is not [N, C, T, H, W].
        """
        pending = Pending(probe)
        while True:
            clips, targets = pending.piece(min(self.batch, pending.left))
            targets = None if targets is None else targets.to(self.device)
            reading = pending.give(self.read(pending.kind, clips.to(self.device), targets))
            if reading is not None:
                return reading

    def read(self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor | None) -> Reading:
        """One pass.

        Args:
            kind: what is asked for.
            clips: [N, 3, T, H, W], on the oracle's device.
            targets: int64 [N], there too.

        Raises:
            InvalidParameter: the layer does not exist or is not [N, C, T, H, W].
        """
        if kind.apply is not None:
            assert targets is not None
            with TORCH.alone(), torch.enable_grad():
                applied = kind.apply(self.network, clips, targets).detach()
            return Reading(clips.new_empty(len(clips), 0), applied=applied)
        with TORCH.shared():
            return self._read(kind, _arranged(kind, clips), targets)

    def _read(self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor | None) -> Reading:
        if targets is None or kind.name == "scores":
            with torch.inference_mode():
                return Reading(self._exact(clips))
        if kind.layer is not None:
            return self._at_layer(kind, clips, targets, kind.layer)
        network = self._folded(clips) if kind.quick else self._exact
        with torch.enable_grad():
            leaf = clips.detach().requires_grad_()
            logits = network(leaf)
            (gradient,) = torch.autograd.grad(_objective(kind, logits, targets), leaf)
        return Reading(logits.detach(), gradient=gradient.contiguous())

    def _folded(self, clips: torch.Tensor) -> nn.Module:
        with self._lock:
            if self._quick is None:
                self._quick = folded(self.network, clips[:1])
            return self._quick

    def _at_layer(
        self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor, layer: str
    ) -> Reading:
        self.check_layer(layer)
        with torch.enable_grad(), _leaf_at(self._exact.get_submodule(layer)) as leaves:
            logits = self._exact(clips)
            if len(leaves) != 1 or leaves[0].ndim != 5:
                raise InvalidParameter(
                    f"Layer {layer!r} does not give one [N, C, T, H, W] tensor a pass. "
                    "Name a convolutional stage.",
                    parameter="layer",
                    given=layer,
                )
            (gradient,) = torch.autograd.grad(_objective(kind, logits, targets), leaves[0])
        return Reading(logits.detach(), activation=leaves[0].detach(), activation_gradient=gradient)


def _arranged(kind: Kind, clips: torch.Tensor) -> torch.Tensor:
    """The clips in the order in memory by which the network's pass is fastest.

    With one thread, backward passes lose by it what forward ones gain.
    """
    large = clips.device.type == "cpu" and clips[0].numel() >= LARGE
    if large and (kind.name != "gradient" or torch.get_num_threads() > 1):
        return clips.contiguous(memory_format=torch.channels_last_3d)
    return clips


def _objective(kind: Kind, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if kind.objective is Objective.LOG_PROBABILITY:
        logits = logits.log_softmax(dim=1)
    elif kind.objective is Objective.LOG_COMPLEMENT:
        target = F.one_hot(targets, logits.shape[1]).bool()
        others = logits.masked_fill(target, -torch.inf).logsumexp(dim=1)
        return (others - logits.logsumexp(dim=1)).sum()
    return logits.gather(1, targets[:, None]).sum()


@contextmanager
def _leaf_at(module: nn.Module) -> Iterator[list[torch.Tensor]]:
    """While open, the module's output starts this thread's graph: nothing below is differentiated.

    Other threads may be running the same network.
    """
    owner = threading.get_ident()
    leaves: list[torch.Tensor] = []

    def cut(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor | None:
        if threading.get_ident() != owner:
            return None
        leaf = output.detach().requires_grad_()
        leaves.append(leaf)
        return leaf

    handle = module.register_forward_hook(cut)
    try:
        yield leaves
    finally:
        handle.remove()
