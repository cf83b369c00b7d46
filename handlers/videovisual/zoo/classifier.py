"""A network together with its card."""

import hashlib
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save
from torch import nn

from videovisual.errors import InvalidParameter
from videovisual.zoo import transform
from videovisual.zoo.card import ModelCard


class Classifier:
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
        self.network = network.eval().requires_grad_(False)
        self.weights_sha256 = weights_sha256 or tensors_sha256(network.state_dict())
        self.weights_dtype = weights_dtype

    def __repr__(self) -> str:
        return f"Classifier({self.card.name!r}, {len(self.card.labels)} classes, {self.device})"

    @property
    def device(self) -> torch.device:
        """The device of the weights; the CPU where there are none."""
        return next((each.device for each in self.network.parameters()), torch.device("cpu"))

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
            float32 [3, T, crop, crop], normalised, on the CPU.

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


def tensors_sha256(tensors: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of tensors as a safetensors file holds them, in hexadecimal."""
    own = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    return hashlib.sha256(save(own)).hexdigest()
