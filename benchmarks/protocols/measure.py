"""One method on the clips of one set."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.defaults.material import Material, real, synthetic
from benchmarks.faithfulness.floors import FLOORS
from benchmarks.protocols.revex import revex_games, revex_places
from benchmarks.protocols.step import step_areas
from videovisual import zoo
from videovisual.attribution import catalogue
from videovisual.attribution.method import Case, to_map
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import classification
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.preprocessing import PreparedClip
from videovisual.saliency import Saliency
from videovisual.zoo import Classifier

DEMO = "i3d-kinetics400"
DEMO_FRAMES = 16
"""I3D's own number of frames on the demo's clip, 48, would take three times as long."""

AT_ONCE = 8
SEED = 0


def uniform(case: Case) -> Saliency:
    """The same value everywhere."""
    return Saliency(to_map(torch.ones(case.clip.shape[1:])), signed=False)


ALL_FLOORS = {**FLOORS, "uniform": uniform}


@dataclass(frozen=True)
class Subject:
    """A clip as its network takes it.

    Attributes:
        material: where it comes from.
        prepared: the network's input.
        target: the class that the network predicts.
    """

    material: Material
    prepared: PreparedClip
    target: int


class Bench:
    """The clips of one set, and the network that they are shown to.

    Args:
        model: a Motion model's name, or that of the demo.
        clips: the number of Motion's held-out clips; the demo has one.
    """

    def __init__(self, model: str, clips: int) -> None:
        self.classifier: Classifier = zoo.load(model)
        small = model != DEMO
        self._batch = AT_ONCE if small else 1
        self._runner = ModelRunner(self.classifier.network, "cpu", self._batch)
        with tempfile.TemporaryDirectory() as work:
            materials = synthetic(clips) if small else real(Path(work), None, ())
            self.subjects = [self._subject(material, small=small) for material in materials]

    def rows(self, method: str, given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The measures of each clip, with what it takes to make them again."""
        for subject in self.subjects:
            explainer = self._explainer(method, given)
            case = explainer.case(subject.prepared, subject.target)
            if method in ALL_FLOORS:
                saliency = ALL_FLOORS[method](case)
            else:
                saliency = run(self._runner, explainer.attribute(subject.prepared, subject.target))
            evidence = subject.material.seen(subject.prepared)
            places = {} if evidence is None else revex_places(saliency.map, evidence)
            yield {
                "clip": subject.material.name,
                "clip_sha256": _sha256(subject.prepared.clip.numpy()),
                "map_sha256": _sha256(saliency.map),
                "target": self.classifier.card.labels[subject.target],
                "seed": SEED,
                "step": run(self._runner, step_areas(case, saliency.map)),
                "revex": {**run(self._runner, revex_games(case, saliency.map)), **places},
            }

    def _explainer(self, method: str, given: Mapping[str, Any]) -> Explainer:
        name = catalogue.DEFAULT if method in ALL_FLOORS else method
        return Explainer.of(self.classifier, name, given, seed=SEED, batch=self._batch)

    def _subject(self, material: Material, *, small: bool) -> Subject:
        frames = self.classifier.card.input.frames if small else DEMO_FRAMES
        prepared = material.prepare(self.classifier, frames)
        (logits,) = run(self._runner, classification(prepared.clip[None]))
        return Subject(material, prepared, int(logits.argmax()))


def _sha256(values: np.ndarray[Any, Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(values, "<f4").tobytes()).hexdigest()
