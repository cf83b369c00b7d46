"""Runs a network on one device: forward passes, gradients and activations."""

import threading
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import nn

from videovisual.engine.activations import Places, leaf_at
from videovisual.engine.attention import Attention, read_attention
from videovisual.engine.batch import Kind, Pending
from videovisual.engine.optimise.batchnorm_folding import FoldedNetwork, fold
from videovisual.engine.optimise.cuda_graphs import Recorder
from videovisual.engine.optimise.network import optimised
from videovisual.engine.optimise.precision import (
    DTYPES,
    Precision,
    ReducedPrecision,
    native_dtype,
    same_direction,
)
from videovisual.engine.probe import Objective, Probe, Reading
from videovisual.engine.rwlock import TORCH
from videovisual.engine.scores import Scores
from videovisual.errors import InvalidParameter, UnsuitableMethod
from videovisual.utils.suggest import did_you_mean, nearest
from videovisual.utils.text import shown

LARGE = 3 * 16 * 112 * 112
"""Values of a clip from which a processor gains by channels-last memory and by 16 bits."""


ADAPTED = "module."
"""Prefix of the layers of a network that an adapter wraps; requests leave it out."""


def find_layer(network: nn.Module, name: str, parameter: str = "layer") -> str:
    """The full dotted name of a layer.

    Raises:
        InvalidParameter: the network has no module of that name.
    """
    modules = dict(network.named_modules())
    for full in (name, ADAPTED + name):
        if name and full in modules:
            return full
    modules = {key.removeprefix(ADAPTED): module for key, module in modules.items()}
    allowed = [key for key in modules if key and "." not in key and key != "module"]
    unknown = (
        f"The network has no layer {shown(name)!r}.{did_you_mean(name, modules)}"
        if name
        else "The model's card names no layer, because none was found whose output has places in "
        "space and time. Name one."
    )
    raise InvalidParameter(
        f"{unknown} Its top-level layers are {shown(', '.join(allowed), 200)}; modules inside them "
        "are named with dots.",
        parameter=parameter,
        given=shown(name),
        nearest=nearest(name, modules),
        allowed=allowed,
    )


class ModelRunner:
    """Evaluates probes by one network on one device. Several threads may call it at once.

    The first runner on a GPU switches the whole process to deterministic convolutions in full
    float32.

    Args:
        network: frozen, in evaluation mode; maps [N, 3, T, H, W] to [N, classes]. One whose
            `differentiable` is false gives scores alone, and is run as it is.
        device: where it runs; the network is moved there.
        batch: the most clips in one forward pass.
        precision: of gradients that may be of reduced precision.
        recorder: records the passes of folded gradients and replays them; None runs them as usual.
        scores: what the network's outputs mean.
    """

    def __init__(
        self,
        network: nn.Module,
        device: torch.device | str,
        batch: int = 1,
        precision: Precision = "auto",
        recorder: Recorder | None = None,
        scores: Scores = Scores.SOFTMAX,
    ) -> None:
        self.device = torch.device(device)
        if self.device.type == "cuda":
            _make_cuda_deterministic()
        self.network = network.to(self.device).eval().requires_grad_(False)
        self.batch = batch
        self.precision = precision
        self.recorder = recorder
        self.scores = scores
        self._differentiable = getattr(network, "differentiable", True)
        self._optimised = optimised(self.network)
        self._folded: FoldedNetwork | None = None
        self._reduced: nn.Module | None = None
        self._folded_up_to: dict[str, nn.Module] = {}
        self._places: dict[torch.Size, Places] = {}
        self._lock = threading.Lock()

    def prepare(self, clip: torch.Tensor) -> None:
        """Build the folded networks now rather than at the first pass that needs one.

        Args:
            clip: [3, T, H, W].
        """
        if self._differentiable:
            with TORCH.read():
                self._reduced_network(clip[None].to(self.device))

    def evaluate(self, probe: Probe) -> Reading:
        """The reading of one probe, in passes of at most `batch` clips.

        Raises:
            InvalidParameter: the probe's layer does not exist or has no places in space and time.
            UnsuitableMethod: the network has no attention, or none whose tokens have places.
        """
        pending = Pending(probe)
        while True:
            clips, targets = pending.piece(min(self.batch, pending.remaining))
            targets = None if targets is None else targets.to(self.device)
            reading = pending.add(self.read(pending.kind, clips.to(self.device), targets))
            if reading is not None:
                return reading

    def read(self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor | None) -> Reading:
        """Run one pass.

        Args:
            kind: what is computed.
            clips: [N, 3, T, H, W], on the runner's device.
            targets: int64 [N], on the runner's device.

        Raises:
            InvalidParameter: as `evaluate`.
            UnsuitableMethod: as `evaluate`, or the network gives scores alone.
        """
        if kind.name != "scores" and not self._differentiable:
            raise UnsuitableMethod(
                f"This network gives scores alone, and a pass of the kind {kind.name!r} needs its "
                "gradients.",
                parameter="method",
            )
        if kind.apply is not None:
            assert targets is not None
            with TORCH.write(), torch.enable_grad():
                applied = kind.apply(self.network, clips, targets).detach()
            return Reading(clips.new_empty(len(clips), 0), applied=applied)
        with TORCH.read():
            clips = _in_fastest_format(clips, gradient=kind.name == "gradient")
            return replace(self._read(kind, clips, targets), scores=self.scores)

    def _read(self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor | None) -> Reading:
        if targets is None or kind.name == "scores":
            with torch.inference_mode():
                return Reading(self._optimised(clips))
        if kind.attention is not None:
            return self._read_attention(kind, clips, targets, kind.attention)
        if kind.layer is not None:
            return self._read_layer(kind, clips, targets, kind.layer)
        network = self._network(kind, clips)
        work = partial(_gradient, network, kind.objective, self.scores)
        if self.recorder is None or not kind.folded:
            logits, gradient = work(clips, targets)
        else:
            logits, gradient = self.recorder.run_padded(kind, work, clips, targets)
        if not isinstance(network, ReducedPrecision):
            return Reading(logits, gradient=gradient)
        if network.scale != 1 and not gradient.isfinite().all():
            # The scaled gradient overflowed.
            return self._read(replace(kind, reduced_precision=False), clips, targets)
        return Reading(logits, gradient=gradient, precision=network.dtype)

    def _network(self, kind: Kind, clips: torch.Tensor) -> nn.Module:
        if not kind.folded:
            return self._optimised
        if kind.reduced_precision:
            return self._reduced_network(clips)
        return self._folded_network(clips)

    def _folded_network(self, clips: torch.Tensor) -> nn.Module:
        with self._lock:
            if self._folded is None:
                self._folded = fold(self.network, clips[:1])
            return self._folded.network

    def _network_for(self, layer: str, clips: torch.Tensor) -> nn.Module:
        """The network that a layer is read from, the same before and after any search."""
        self._folded_network(clips)
        with self._lock:
            assert self._folded is not None
            if layer not in self._folded_up_to:
                network = self._folded.up_to(layer, self.network)
                self._folded_up_to[layer] = network or self._optimised
            return self._folded_up_to[layer]

    def _reduced_network(self, clips: torch.Tensor) -> nn.Module:
        """The folded network in 16 bits where they are used, else in float32."""
        folded = self._folded_network(clips)
        dtype = self._reduced_dtype(clips[0])
        if dtype is None:
            return folded
        with self._lock:
            if self._reduced is None:
                reduced = ReducedPrecision(folded, dtype)
                accepted = self._accepts(reduced, folded, clips[:1])
                self._reduced = reduced if accepted else folded
            return self._reduced

    def _accepts(self, reduced: nn.Module, folded: nn.Module, clips: torch.Tensor) -> bool:
        """Whether 16 bits work, and if they are the runner's own choice, whether they are exact."""
        try:
            agree = _gradients_agree(reduced, folded, clips, self.scores)
        except RuntimeError:
            # A network of a user's own may not take every layout of memory or dtype.
            return False
        return agree or self.precision != "auto"

    def _reduced_dtype(self, clip: torch.Tensor) -> torch.dtype | None:
        """The 16-bit dtype to use for a clip [3, T, H, W], if any."""
        if self.precision == "float32" or clip.dtype != torch.float32:
            return None
        if self.precision != "auto":
            return DTYPES[self.precision]
        small = self.device.type == "cpu" and clip.numel() < LARGE
        return None if small else native_dtype(self.device)

    def _read_layer(
        self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor, layer: str
    ) -> Reading:
        name = find_layer(self.network, layer)
        network = self._network_for(name, clips)
        with torch.enable_grad(), leaf_at(network.get_submodule(name)) as leaves:
            logits = network(clips)
            leaf = leaves[0] if len(leaves) == 1 else None
            activation = None
            if leaf is not None:
                activation = self._places_in(clips).arrange(leaf.detach(), len(clips))
            if leaf is None or activation is None:
                raise InvalidParameter(
                    f"Layer {layer!r} {_given(leaves)}. Name a layer that gives activations with "
                    "places in space and time once a pass: [N, C, t, h, w], [N, t, h, w, C] or a "
                    "token for each patch, such as a stage or the norm before an attention.",
                    parameter="layer",
                    given=layer,
                )
            objective = kind.objective.of(logits, targets, self.scores).sum()
            (gradient,) = torch.autograd.grad(objective, leaf)
        return Reading(
            logits.detach(),
            activation=activation,
            activation_gradient=self._places_in(clips).arrange(gradient, len(clips)),
        )

    def _read_attention(
        self, kind: Kind, clips: torch.Tensor, targets: torch.Tensor, wanted: Attention
    ) -> Reading:
        tokens = self._places_in(clips).tokens
        objective = partial(kind.objective.of, targets=targets, scores=self.scores)
        logits, attention = read_attention(self._optimised, clips, wanted, objective)
        return Reading(logits, attention=attention, tokens=tokens)

    def _places_in(self, clips: torch.Tensor) -> Places:
        """The places of activations in clips of that size, traced once."""
        size = clips.shape[1:]
        with self._lock:
            if size not in self._places:
                self._places[size] = Places(self.network, clips[0])
            return self._places[size]


def _make_cuda_deterministic() -> None:
    """Switch off TF32 and every algorithm whose result varies from run to run."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def _in_fastest_format(clips: torch.Tensor, *, gradient: bool) -> torch.Tensor:
    """The clips in the memory format that makes the pass fastest.

    With one thread, channels last slows backward passes by as much as it speeds up forward ones.
    """
    large = clips.device.type == "cpu" and clips[0].numel() >= LARGE
    if large and (not gradient or torch.get_num_threads() > 1):
        return clips.contiguous(memory_format=torch.channels_last_3d)
    return clips


def _gradient(
    network: nn.Module,
    objective: Objective,
    scores: Scores,
    clips: torch.Tensor,
    targets: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and the objective's gradient at the clips."""
    scale = network.scale if isinstance(network, ReducedPrecision) else 1.0
    with torch.enable_grad():
        leaf = clips.detach().requires_grad_()
        logits = network(leaf)
        summed = scale * objective.of(logits, targets, scores).sum()
        (gradient,) = torch.autograd.grad(summed, leaf)
    return logits.detach(), (gradient / scale if scale != 1 else gradient).contiguous()


def _gradients_agree(one: nn.Module, other: nn.Module, clips: torch.Tensor, scores: Scores) -> bool:
    """Whether two networks' gradients point the same way at noise of the clips' shape.

    Noise rather than the clips, so that the choice doesn't depend on the first clip.
    """
    noise = torch.randn(clips.shape, generator=torch.Generator().manual_seed(0))
    noise = _in_fastest_format(noise.to(clips.device), gradient=True)
    target = torch.zeros(1, dtype=torch.int64, device=clips.device)
    gradients = (
        _gradient(network, Objective.LOG_PROBABILITY, scores, noise, target)[1]
        for network in (one, other)
    )
    return same_direction(*gradients)


def _given(leaves: Sequence[torch.Tensor | None]) -> str:
    """What a layer gave in a pass, for a message."""
    if len(leaves) != 1:
        return f"runs {len(leaves)} times a pass"
    return "gives no tensor" if leaves[0] is None else f"gives {list(leaves[0].shape)}"
