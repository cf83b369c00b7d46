"""The networks and clips on which speed is measured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from videovisual import motion, zoo
from videovisual.attribution.method import Case
from videovisual.engine.oracle import Oracle
from videovisual.zoo import Classifier, registry

WEIGHTED = ("i3d-kinetics400",)
"""Published models whose weights are at hand; of the others the weights are random, which costs as
much time."""


@dataclass(frozen=True)
class Subject:
    """One model with its network as it is, and as our engine runs it.

    Attributes:
        classifier: the model.
        oracle: its network in our engine.
    """

    classifier: Classifier
    oracle: Oracle

    @classmethod
    def of(cls, name: str) -> Subject:
        if name.endswith("-motion") or name in WEIGHTED:
            classifier = zoo.load(name)
        else:
            torch.manual_seed(0)
            state = registry.build(registry.card(name)).state_dict()
            classifier = zoo.load(name, weights=state)
        return cls(classifier, Oracle(classifier.network, "cpu"))

    @property
    def name(self) -> str:
        return self.classifier.card.name

    def clip(self, index: int) -> torch.Tensor:
        """A held-out clip of Motion in the model's space: [3, T, H, W]."""
        frames = motion.sample(index).frames
        side = self.classifier.card.input.crop // frames.shape[1]
        if side > 1:
            frames = np.repeat(np.repeat(frames, side, axis=1), side, axis=2)
        return self.classifier.prepare(frames)

    def case(self, index: int, target: int | None = None) -> Case:
        """A clip to be explained; by default as what the model takes it for."""
        clip = self.clip(index)
        if target is None:
            target = int(self.classifier.logits(clip[None]).argmax())
        return Case(clip, target, self.classifier.card)
