"""The one place where a network is run: device, batching, gradients."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from videovisual.engine.batch import Kind, Pending
from videovisual.engine.optimise.batchnorm_folding import Folded, folded
from videovisual.engine.optimise.convolution import quickened
from videovisual.engine.optimise.cuda_graphs import Recorder
from videovisual.engine.optimise.precision import SIXTEEN, Lowered, Precision, alike, native
from videovisual.engine.probe import Objective, Probe, Reading
from videovisual.engine.rwlock import TORCH
from videovisual.errors import InvalidParameter
from videovisual.utils.suggest import nearest

LARGE = 3 * 16 * 112 * 112
"""Values of a clip from which a processor runs a network faster with its channels last, and from
which sixteen-bit numbers are worth it."""


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


class ModelRunner:
    """Answers probes from one network on one device; several threads may ask at once.

    The first one on a GPU has the whole process compute convolutions in float32 proper and by
    algorithms that give the same each time, as they are not by torch's own choice.

    Args:
        network: frozen, in evaluation mode; maps [N, 3, T, H, W] to [N, classes].
        device: where it runs; the network is moved there.
        batch: the most clips in one forward pass.
        precision: of lowered gradients.
        recorder: by which quick gradients are run, as recordings; None runs them as they are.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device | str,
        batch: int = 1,
        precision: Precision = "auto",
        recorder: Recorder | None = None,
    ) -> None:
        self.device = torch.device(device)
        if self.device.type == "cuda":
            _settle()
        self.network = network.to(self.device).eval().requires_grad_(False)
        self.batch = batch
        self.precision = precision
        self.recorder = recorder
        self._exact = quickened(self.network)
        self._quick: Folded | None = None
        self._lowered: nn.Module | None = None
        self._read_at: dict[str, nn.Module] = {}
        self._lock = threading.Lock()

    def prepare(self, clip: torch.Tensor) -> None:
        """Do now what the first quick gradient at a clip [3, T, H, W] would wait for.

        From then on layers are read from a network that is folded below them.
        """
        with TORCH.shared():
            self._lowest(clip[None].to(self.device))

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
            clips = _arranged(clips, gradient=kind.name == "gradient")
            return self._read(kind, clips, targets)

    def _read(self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor | None) -> Reading:
        if targets is None or kind.name == "scores":
            with torch.inference_mode():
                return Reading(self._exact(clips))
        if kind.layer is not None:
            return self._at_layer(kind, clips, targets, kind.layer)
        network = self._network(kind, clips)
        work = partial(_differentiated, network, kind.objective)
        if self.recorder is None or not kind.quick:
            logits, gradient = work(clips, targets)
        else:
            logits, gradient = self.recorder.run_filled(kind, work, clips, targets)
        if not isinstance(network, Lowered):
            return Reading(logits, gradient=gradient)
        if network.scale != 1 and not gradient.isfinite().all():
            # Beyond the largest of these numbers.
            return self._read(replace(kind, lowered=False), clips, targets)
        return Reading(logits, gradient=gradient, precision=network.dtype)

    def _network(self, kind: Kind, clips: torch.Tensor) -> nn.Module:
        if not kind.quick:
            return self._exact
        return self._lowest(clips) if kind.lowered else self._folded(clips)

    def _folded(self, clips: torch.Tensor) -> nn.Module:
        with self._lock:
            if self._quick is None:
                self._quick = folded(self.network, clips[:1])
            return self._quick.network

    def _until(self, layer: str) -> nn.Module:
        """The network by which a layer is read."""
        with self._lock:
            if self._quick is None:
                return self._exact
            if layer not in self._read_at:
                self._read_at[layer] = self._quick.until(layer, self.network) or self._exact
            return self._read_at[layer]

    def _lowest(self, clips: torch.Tensor) -> nn.Module:
        """The network with sixteen-bit numbers, if there are any to take; else the folded one."""
        quick = self._folded(clips)
        dtype = self._dtype(clips[0])
        if dtype is None:
            return quick
        with self._lock:
            if self._lowered is None:
                lowered = Lowered(quick, dtype)
                holds = self.precision != "auto" or _alike(lowered, quick, clips[:1])
                self._lowered = lowered if holds else quick
            return self._lowered

    def _dtype(self, clip: torch.Tensor) -> torch.dtype | None:
        """The sixteen-bit numbers that are to be taken for a clip [3, T, H, W]."""
        if self.precision == "float32" or clip.dtype != torch.float32:
            return None
        if self.precision != "auto":
            return SIXTEEN[self.precision]
        small = self.device.type == "cpu" and clip.numel() < LARGE
        return None if small else native(self.device)

    def _at_layer(
        self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor, layer: str
    ) -> Reading:
        self.check_layer(layer)
        network = self._until(layer)
        with torch.enable_grad(), _leaf_at(network.get_submodule(layer)) as leaves:
            logits = network(clips)
            if len(leaves) != 1 or leaves[0].ndim != 5:
                raise InvalidParameter(
                    f"Layer {layer!r} does not give one [N, C, T, H, W] tensor a pass. "
                    "Name a convolutional stage.",
                    parameter="layer",
                    given=layer,
                )
            objective = kind.objective.of(logits, targets).sum()
            (gradient,) = torch.autograd.grad(objective, leaves[0])
        return Reading(logits.detach(), activation=leaves[0].detach(), activation_gradient=gradient)


def _settle() -> None:
    """A GPU's float32 as a processor's, and the same answer twice."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def _arranged(clips: torch.Tensor, *, gradient: bool) -> torch.Tensor:
    """The clips in the order in memory by which the network's pass is fastest.

    With one thread, backward passes lose by it what forward ones gain.
    """
    large = clips.device.type == "cpu" and clips[0].numel() >= LARGE
    if large and (not gradient or torch.get_num_threads() > 1):
        return clips.contiguous(memory_format=torch.channels_last_3d)
    return clips


def _differentiated(
    network: nn.Module, objective: Objective, clips: torch.Tensor, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and the objective's gradient at the clips."""
    scale = network.scale if isinstance(network, Lowered) else 1.0
    with torch.enable_grad():
        leaf = clips.detach().requires_grad_()
        logits = network(leaf)
        summed = scale * objective.of(logits, targets).sum()
        (gradient,) = torch.autograd.grad(summed, leaf)
    return logits.detach(), (gradient / scale if scale != 1 else gradient).contiguous()


def _alike(one: nn.Module, other: nn.Module, clips: torch.Tensor) -> bool:
    """Whether two networks' gradients are alike, at noise, so that all clips get one answer."""
    noise = torch.randn(clips.shape, generator=torch.Generator().manual_seed(0))
    noise = _arranged(noise.to(clips.device), gradient=True)
    target = torch.zeros(1, dtype=torch.int64, device=clips.device)
    gradients = (
        _differentiated(network, Objective.LOG_PROBABILITY, noise, target)[1]
        for network in (one, other)
    )
    return alike(*gradients)


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
