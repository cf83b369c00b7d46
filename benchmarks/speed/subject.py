"""The networks and clips on which speed is measured."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import demo
import numpy as np
import numpy.typing as npt
import torch

from videovisual import clips, motion, zoo
from videovisual.attribution.method import Case
from videovisual.engine.model_runner import ModelRunner
from videovisual.server import engine_factory
from videovisual.server.settings import Settings
from videovisual.zoo import Classifier, registry
from videovisual_archive import fetch

REAL = ("i3d-kinetics400",)
"""Published models whose weights are at hand; of the others the weights are random, which costs as
much time."""

HELD_OUT = range(4, 10)
"""The clips of Motion that a small model is measured on."""


@dataclass(frozen=True)
class Subject:
    """One model with its network as it is, and as our engine runs it.

    Attributes:
        classifier: the model.
        runner: its network in our engine.
        clips: float32 [3, T, H, W] each, in the model's space, on the processor: held-out clips of
            Motion; for a model with real weights the demo's real clip.
    """

    classifier: Classifier
    runner: ModelRunner
    clips: Sequence[torch.Tensor]

    @classmethod
    def of(cls, name: str, device: str) -> Subject:
        if name.endswith("-motion"):
            classifier = zoo.load(name)
            films = [motion.sample(index).frames for index in HELD_OUT]
        elif name in REAL:
            classifier = zoo.load(name)
            films = [_shot()]
        else:
            torch.manual_seed(0)
            state = registry.build(registry.card(name)).state_dict()
            classifier = zoo.load(name, weights=state)
            films = [_enlarged(motion.sample(HELD_OUT[0]).frames, classifier.card.input.crop)]
        prepared = [classifier.prepare(frames) for frames in films]
        runner = engine_factory.runner(classifier.to(device), Settings())
        runner.prepare(prepared[0])
        return cls(classifier, runner, prepared)

    @property
    def name(self) -> str:
        return self.classifier.card.name

    @property
    def trained(self) -> bool:
        """Whether its weights are real, so that a search ends where it would for a user."""
        return self.name.endswith("-motion") or self.name in REAL

    def cases(self) -> list[Case]:
        """Each clip to be explained as what the model takes it for."""
        runner = self.runner
        return [
            Case(
                clip.to(runner.device),
                int(self.classifier.logits(clip[None]).argmax()),
                self.classifier.card,
                batch=runner.batch,
                recorder=runner.recorder,
            )
            for clip in self.clips
        ]


def _shot() -> npt.NDArray[np.uint8]:
    with tempfile.TemporaryDirectory() as folder:
        film = demo.cut_shot(fetch(demo.CLIP, demo.CLIP_SHA256), Path(folder) / "clip.mp4")
        return clips.open_path(film).read(range(len(demo.SHOT)))


def _enlarged(frames: npt.NDArray[np.uint8], height: int) -> npt.NDArray[np.uint8]:
    times = height // frames.shape[1]
    return frames.repeat(times, axis=1).repeat(times, axis=2)
