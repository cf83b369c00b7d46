"""A network together with its card."""

import importlib
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from videovisual.engine.attention import attention_bytes
from videovisual.engine.temporal_stride import temporal_stride
from videovisual.errors import InvalidParameter
from videovisual.names import default_store
from videovisual.utils.extras import needs
from videovisual.zoo import own_module, transform
from videovisual.zoo.adapter import (
    AdaptedNetwork,
    Dtype,
    FrameScores,
    Interface,
    Layout,
    Output,
    Pathway,
    first_pass,
)
from videovisual.zoo.by_scores import ByScores
from videovisual.zoo.card import InputSpec, ModelCard, WeightsCard
from videovisual.zoo.card_page import card_page
from videovisual.zoo.layers import cam_layer as default_cam_layer
from videovisual.zoo.layout import align, narrow_dtype, tensors_sha256

SHA256 = re.compile(r"[0-9a-f]{64}")


class Classifier(ByScores):
    """A pretrained video classifier, frozen and in evaluation mode.

    Args:
        card: the model's card.
        network: maps clips float32 [N, 3, T, H, W] to logits float32 [N, classes].
        weights_sha256: SHA-256 of the checkpoint that the weights were read from, which
            explanations record as provenance; that of the network's tensors unless given.
        weights_dtype: the 16-bit dtype in which the weights are stored, if they are; they are
            computed with in float32, and explanations record it too.

    Raises:
        InvalidParameter: `card` is no `ModelCard`, or `network` no module.
    """

    def __init__(
        self,
        card: ModelCard,
        network: nn.Module,
        weights_sha256: str | None = None,
        weights_dtype: str | None = None,
    ) -> None:
        if not isinstance(card, ModelCard) or not isinstance(network, nn.Module):
            raise InvalidParameter(
                f"A classifier is made of a ModelCard and a torch.nn.Module, not of "
                f"{type(card).__name__} and {type(network).__name__}."
            )
        self.card = card
        self.network = align(network.eval().requires_grad_(False))
        self.weights_sha256 = weights_sha256 or tensors_sha256(network.state_dict())
        self.weights_dtype = weights_dtype

    @property
    def sha256(self) -> str | None:
        """`Answer.classifier_sha256`; None where the weights are not known, as of a function."""
        if not SHA256.fullmatch(self.weights_sha256):
            return None
        return self.card.classifier_sha256(self.weights_sha256)

    @classmethod
    def from_module(
        cls,
        module: nn.Module,
        labels: Sequence[str],
        input: InputSpec,
        *,
        layout: Layout = "NCTHW",
        scores: Literal["softmax", "sigmoid", "raw"] = "softmax",
        argument: str | None = None,
        pathways: Sequence[Pathway] | None = None,
        output: Output | None = None,
        frame_scores: FrameScores | None = None,
        dtype: Dtype = "float32",
        cam_layer: str | None = None,
        name: str | None = None,
        licence: str = "not known",
    ) -> "Classifier":
        """A network of your own as a classifier, checked by a first pass.

        Args:
            module: the network; it is copied, so it stays as it is.
            labels: the classes' names, in the order of the logits. One logit is one label, or two:
                those of a low and of a high logit.
            input: frames, size and range of values of the network's input.
            layout: order of the axes of its input: `NCTHW`, `NTCHW` or `NTHWC`.
            scores: what its outputs mean: `softmax`, logits of classes of which one holds;
                `sigmoid`, logits of labels that don't exclude one another; `raw`, scores on a scale
                of their own, without probabilities.
            argument: name of the argument of `forward` that takes the clips; the first one unless
                given.
            pathways: for a network that takes a list of clips, as SlowFast does, the frames of
                each: how many, evenly spread, or their numbers.
            output: where its answer holds the logits: a key, an attribute, a place in a tuple, or a
                function of the answer. An answer's `logits`, or its only tensor, are found unless
                given.
            frame_scores: of a network that answers for every frame: the `mean` or the `max` over
                the frames, or the number of one frame.
            dtype: `uint8` for a network that insists on it, with `InputSpec(value_range=(0, 255))`.
                It is exported as a program, which takes any values between, so it has gradients.
            cam_layer: dotted name of Grad-CAM's layer; the last one with places in space unless
                given.
            name: of the model in answers; that of the module's class unless given.
            licence: of the weights.

        Raises:
            InvalidParameter: the network fails or answers otherwise than described; the message
                says what it was given, what came, and which argument to change.
            WeightsError: two labels are the same, or the weights are not dense floats.
        """
        places = None if pathways is None else tuple(pathways)
        interface = Interface(layout, argument, places, output, frame_scores, dtype)
        names = own_module.checked_labels(labels)
        own = own_module.copied(module)
        adapted = AdaptedNetwork(own, interface, len(names)).eval().requires_grad_(False)
        clip = own_module.noise(input).to(getattr(torch, dtype))
        logits = first_pass(adapted, clip)
        if scores == "softmax":
            own_module.check_are_logits(logits)
        network: nn.Module = adapted
        if dtype == "uint8":
            own_module.check_takes_bytes(input)
            network, input = _program(adapted, input, torch.uint8)
        layer = default_cam_layer(network, clip.float()) if cam_layer is None else cam_layer
        card = ModelCard(
            name=name or own_module.name_of(own),
            family="module",
            title=f"{type(own).__name__}, own network",
            labels=names,
            input=input,
            cam_layer=layer,
            blur_sigma=own_module.BLUR * min(input.height, input.width),
            weights=WeightsCard("module", None, None, licence, "own weights"),
            accuracy="not known: own weights",
            scores=scores,
        )
        return cls(card, network, weights_dtype=narrow_dtype(module.state_dict()))

    def archive(
        self, name: str, *, store: str | PathLike[str] | None = None, force: bool = False
    ) -> Path:
        """Build an archive that every server of this package serves, without the network's code.

        It holds an exported program, or the ONNX model, whose server needs the extra `onnx`.

        Args:
            name: of the model.
            store: folder of the archives; by default `$VIDEOVISUAL_STORE`, else `model_store`.
            force: rebuild an archive that has the same content.

        Returns:
            Path of `NAME.mar`.

        Raises:
            InvalidParameter: the name is not valid, the network can't be exported, or it is a
                function.
            WeightsError: the network calls what an exported program may not call, or the ONNX file
                has changed.
            MissingExtra: it needs the extra `server`.
            WriteError: the archive can't be written.
        """
        with needs("server", "An archive is built by torch-model-archiver."):
            # By name: the package that builds archives imports this one.
            builder = importlib.import_module("videovisual_archive")
        folder = default_store() if store is None else Path(store)
        path: Path = builder.archive_classifier(self, name, store=folder, force=force)
        return path

    def __repr__(self) -> str:
        return f"Classifier({self.card.name!r}, {len(self.card.labels)} classes, {self.device})"

    def _repr_html_(self) -> str:
        """What a notebook shows: the card."""
        return card_page(self.card, self.weights_sha256, str(self.device))

    @property
    def device(self) -> torch.device:
        """The device of the weights; the CPU where there are none."""
        return next((each.device for each in self.network.parameters()), torch.device("cpu"))

    @property
    def batch(self) -> int:
        """How many clips a pass on a processor is best made of: 1, or what a predictor takes."""
        return int(getattr(self.network, "batch", 1))

    @property
    def differentiable(self) -> bool:
        """Whether the network has gradients, or is known by its scores alone."""
        return bool(getattr(self.network, "differentiable", True))

    @cached_property
    def temporal_stride(self) -> int | None:
        """How many frames the network's first layer moves at once: 2 for I3D, 1 for the ResNets.

        Measured by a part of one pass when it is first asked for. None where it can't be told: the
        network is known by its scores alone, or begins with no convolution of colours.
        """
        return temporal_stride(self.network, self._zeros) if self.differentiable else None

    @cached_property
    def attention_bytes(self) -> int:
        """Memory that a method takes which reads the network's attention; 0 where there is none.

        Measured by one pass when it is first asked for.
        """
        if not self.differentiable or self.fewest_frames is not None:
            return 0
        return attention_bytes(self.network, self._zeros)

    @property
    def fewest_frames(self) -> int | None:
        """The least frames of a network of convolutions alone, the same for any number of frames.

        Its passes are warmed up and measured with these. None for other networks.
        """
        return getattr(self.network, "fewest_frames", None)

    @property
    def _zeros(self) -> torch.Tensor:
        return torch.zeros(self.card.input.shape, device=self.device)

    def to(self, device: torch.device | str) -> "Classifier":
        """Move the weights to `device`; returns the classifier itself."""
        self.network.to(device)
        return self

    def prepare(
        self, frames: npt.NDArray[np.uint8], before_chunk: Callable[[], None] | None = None
    ) -> torch.Tensor:
        """Transform source frames into the network's input; see `transform.prepare`.

        Args:
            frames: uint8 [T, H, W, 3], RGB.
            before_chunk: called before every few frames; what it raises ends the work.

        Returns:
            float32 [3, T, height, width], normalised, on the CPU.

        Raises:
            InvalidParameter: `frames` has another type or shape.
        """
        return transform.prepare(self.card.input, frames, before_chunk)

    def logits(self, clips: torch.Tensor) -> torch.Tensor:
        """The network's output for prepared clips.

        Args:
            clips: float32 [N, 3, T, H, W], as `prepare` returns them, stacked.

        Returns:
            float32 [N, classes], on the network's device.

        Raises:
            InvalidParameter: `clips` has another shape.
        """
        if clips.ndim != 5 or clips.shape[1] != 3:
            raise InvalidParameter(
                f"Clips must have shape [N, 3, T, H, W], not {list(clips.shape)}. Stack what "
                "`prepare` returns.",
                shape=list(clips.shape),
            )
        with torch.inference_mode():
            logits: torch.Tensor = self.network(clips.to(self.device))
        return logits


def _program(
    network: nn.Module, spec: InputSpec, dtype: torch.dtype = torch.float32
) -> tuple[nn.Module, InputSpec]:
    # The exporter loads slowly, and no server needs it.
    from videovisual.zoo.program.exporting import export  # noqa: PLC0415

    return export(network, spec, dtype)
