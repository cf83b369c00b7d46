"""The input and the type of every attribution method."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from videovisual.engine.optimise.cuda_graphs import Recorder
from videovisual.engine.probe import Attribution
from videovisual.engine.scores import Scores
from videovisual.zoo.card import ModelCard
from videovisual.zoo.transform import normalise


@dataclass(frozen=True)
class Case:
    """A clip and a target to explain.

    Attributes:
        clip: float32 [3, T, H, W] in the model's space, on the engine's device.
        target: the class whose score is explained.
        card: the model.
        seed: of all randomness.
        batch: the most clips of one probe that suit the device.
        recorder: records and replays a method's own computations; None runs them as usual.
    """

    clip: torch.Tensor
    target: int
    card: ModelCard
    seed: int = 0
    batch: int = 1
    recorder: Recorder | None = None

    @property
    def scores(self) -> Scores:
        """What the network's outputs mean."""
        return Scores(self.card.scores)

    def targets(self, count: int) -> torch.Tensor:
        """The target, repeated for `count` clips: int64 [count]."""
        return torch.full((count,), self.target, dtype=torch.int64, device=self.clip.device)

    def flat(self, intensity: float) -> torch.Tensor:
        """A grey of `intensity` in [0, 1], in the model's space: float32 [3, 1, 1, 1]."""
        pixel = torch.full((3, 1, 1, 1), intensity, device=self.clip.device)
        return normalise(self.card.input, pixel)


Method = Callable[[Case, Any], Attribution]
"""A function of a case and the method's parameters that returns a generator of probes."""


def chunks(count: int, batch: int) -> Iterator[int]:
    """Split `count` into numbers of at most `batch`."""
    for start in range(0, count, batch):
        yield min(batch, count - start)


def enlarged(case: Case, coarse: torch.Tensor) -> torch.Tensor:
    """A layer's map [1, 1, t, h, w] at the clip's [T, H, W], by trilinear interpolation."""
    size = case.clip.shape[1:]
    return F.interpolate(coarse, size, mode="trilinear", align_corners=False)[0, 0]


def to_map(tensor: torch.Tensor) -> Any:
    """A [T, H, W] tensor as a contiguous float32 array."""
    return tensor.detach().float().cpu().contiguous().numpy()
