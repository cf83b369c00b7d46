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
"""Published models with real weights. The others get random weights, which cost the same time."""

TRANSFORMER = "videomae-base"
"""VideoMAE as the library transformers configures it, with random weights."""

HELD_OUT = range(4, 10)
"""Indices of the held-out Motion clips for small models."""


@dataclass(frozen=True)
class Subject:
    """One model, with its plain network and the network in our engine.

    Attributes:
        classifier: the model.
        runner: its network in our engine.
        clips: of `load`: held-out clips of Motion, or the demo's clip for real weights.
    """

    classifier: Classifier
    runner: ModelRunner
    clips: Sequence[torch.Tensor]

    @classmethod
    def of(cls, name: str, device: str) -> Subject:
        classifier, prepared = load(name)
        runner = engine_factory.runner(classifier.to(device), Settings())
        runner.prepare(prepared[0])
        return cls(classifier, runner, prepared)

    @property
    def name(self) -> str:
        return self.classifier.card.name

    @property
    def trained(self) -> bool:
        """Whether its weights are real, so that a search ends as it does for a user."""
        return self.name.endswith("-motion") or self.name in REAL

    def cases(self) -> list[Case]:
        """Each clip with its top-1 class as the target."""
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


def load(name: str) -> tuple[Classifier, list[torch.Tensor]]:
    """A model and its clips, each float32 [3, T, H, W] in the model's space."""
    if name.endswith("-motion"):
        classifier = zoo.load(name)
        videos = [motion.sample(index).frames for index in HELD_OUT]
    elif name in REAL:
        classifier = zoo.load(name)
        videos = [_demo_clip()]
    elif name == TRANSFORMER:
        classifier = _videomae()
        videos = [_enlarged(motion.sample(HELD_OUT[0]).frames, classifier.card.input.height)]
    else:
        torch.manual_seed(0)
        state = registry.build(registry.card(name)).state_dict()
        classifier = zoo.load(name, weights=state)
        videos = [_enlarged(motion.sample(HELD_OUT[0]).frames, classifier.card.input.height)]
    return classifier, [classifier.prepare(frames) for frames in videos]


def _videomae() -> Classifier:
    """As it is loaded from a folder of the library's."""
    # No other network needs the library.
    import transformers  # noqa: PLC0415

    torch.manual_seed(0)
    config = transformers.VideoMAEConfig()
    config.num_labels = 400
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, TRANSFORMER)
        transformers.VideoMAEForVideoClassification(config).save_pretrained(path)
        transformers.VideoMAEImageProcessor().save_pretrained(path)
        return zoo.load(str(path))


def _demo_clip() -> npt.NDArray[np.uint8]:
    with tempfile.TemporaryDirectory() as folder:
        path = demo.cut_shot(fetch(demo.CLIP, demo.CLIP_SHA256), Path(folder) / "clip.mp4")
        return clips.open_path(path).read(range(len(demo.SHOT)))


def _enlarged(frames: npt.NDArray[np.uint8], height: int) -> npt.NDArray[np.uint8]:
    times = height // frames.shape[1]
    return frames.repeat(times, axis=1).repeat(times, axis=2)
