"""A network, its card, and nothing that serves them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from videovisual.errors import InvalidParameter
from videovisual.zoo import transform
from videovisual.zoo.card import ModelCard


class Classifier:
    """A pretrained video classifier, frozen and in evaluation mode.

    Args:
        card: what the network is.
        network: maps clips float32 [N, 3, T, H, W] to logits float32 [N, classes].
        weights_sha256: SHA-256 of the weights file, for the provenance of what it explains.
    """

    def __init__(self, card: ModelCard, network: nn.Module, weights_sha256: str) -> None:
        self.card = card
        self.network = network.eval().requires_grad_(False)
        self.weights_sha256 = weights_sha256

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.network.parameters()).device

    def to(self, device: torch.device | str) -> Classifier:
        """Move the weights; returns itself."""
        self.network.to(device)
        return self

    def prepare(self, frames: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Source frames as the network is fed them.

        Args:
            frames: uint8 [T, H, W, 3], RGB.

        Returns:
            float32 [3, T, crop, crop] in the model's space, on the CPU.

        Raises:
            InvalidParameter: `frames` is not uint8 of that shape.
        """
        return transform.prepare(self.card.input, frames)

    def logits(self, clips: torch.Tensor) -> torch.Tensor:
        """Class scores before the softmax.

        Args:
            clips: float32 [N, 3, T, H, W] in the model's space.

        Returns:
            float32 [N, classes], on the device of the network.

        Raises:
            InvalidParameter: `clips` does not have that shape.
        """
        if clips.ndim != 5 or clips.shape[1] != 3:
            raise InvalidParameter(
                f"Clips must have shape [N, 3, T, H, W], not {list(clips.shape)}.",
                shape=list(clips.shape),
            )
        with torch.inference_mode():
            logits: torch.Tensor = self.network(clips.to(self.device))
        return logits
