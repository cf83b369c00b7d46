"""What every attribution method is given, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from videovisual.engine.optimise.cuda_graphs import Recorder
from videovisual.engine.probe import Attribution
from videovisual.zoo.card import ModelCard


@dataclass(frozen=True)
class Case:
    """What is to be explained.

    Attributes:
        clip: float32 [3, T, H, W] in the model's space, on the engine's device.
        target: the class whose score is explained.
        card: the model.
        seed: of all randomness.
        batch: how many clips one probe should hold at most to suit the device.
        recorder: by which what a method computes itself is run, as recordings; None runs it as it
            is.
    """

    clip: torch.Tensor
    target: int
    card: ModelCard
    seed: int = 0
    batch: int = 1
    recorder: Recorder | None = None

    def targets(self, count: int) -> torch.Tensor:
        """The target, once for each of `count` clips: int64 [count]."""
        return torch.full((count,), self.target, dtype=torch.int64, device=self.clip.device)

    def flat(self, intensity: float) -> torch.Tensor:
        """A clip of one grey, `intensity` in [0, 1] a channel: float32 [3, 1, 1, 1]."""
        mean = torch.tensor(self.card.input.mean, device=self.clip.device)
        std = torch.tensor(self.card.input.std, device=self.clip.device)
        return ((intensity - mean) / std).view(3, 1, 1, 1)


Method = Callable[[Case, Any], Attribution]
"""A method: a case and its own parameters → a generator of probes that returns a saliency."""


def chunks(count: int, batch: int) -> Iterator[int]:
    """`count` as numbers of at most `batch`."""
    for start in range(0, count, batch):
        yield min(batch, count - start)


def to_map(tensor: torch.Tensor) -> Any:
    """A [T, H, W] tensor as a contiguous float32 array."""
    return tensor.detach().float().cpu().contiguous().numpy()
