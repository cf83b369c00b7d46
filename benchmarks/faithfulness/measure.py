"""One method on one model, clip by clip."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import torch

from benchmarks.faithfulness.floors import FLOORS
from videovisual import faithfulness, motion, zoo
from videovisual.attribution import catalogue
from videovisual.attribution.method import Case
from videovisual.engine.engine import Engine
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.worker import Worker
from videovisual.errors import UnsuitableMethod
from videovisual.faithfulness import Evidence
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.preprocessing import PreparedClip, read
from videovisual.saliency import Saliency
from videovisual.zoo import Classifier

AT_ONCE = 8
"""Clips in one pass of the network."""

STEP_S = 10.0
"""Seconds of a step; long enough that every pass holds `AT_ONCE` clips."""

TOLERANCE = 4
"""Pixels of a 64 × 64 frame by which the pointing game may miss."""

SMALLEST_AREA = 0.001


@dataclass(frozen=True)
class Task:
    """The work of one process.

    Attributes:
        model: a motion model's name.
        method: the name of a method or of a floor.
        clips: indices of held-out clips of Motion.
        randomised: number of clips whose map is also computed with random weights.
        parameters: of the method, except `area`, which is that of the evidence.
    """

    model: str
    method: str
    clips: tuple[int, ...]
    randomised: int
    parameters: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Score:
    """The measures of one clip; see `videovisual.faithfulness`.

    Attributes:
        clip, label: the clip's index and its class.
        seconds: of the map on one core, with `AT_ONCE` clips at once.
        pointing, iou: against the known evidence.
        insertion, deletion, sensitivity_n: against the network.
        relative_delta: incompleteness, where the method reports it.
        sufficiency, necessity: of as many highest pixels as the evidence has, where defined.
        saco: where defined.
        similarity: mean rank correlation with the maps of random weights, of two seeds, where
            measured and defined.
        achieved_area: over the requested area, where the method reports it.
    """

    clip: int
    label: int
    seconds: float
    pointing: float
    iou: float
    insertion: float
    deletion: float
    sensitivity_n: float | None
    relative_delta: float | None = None
    sufficiency: float | None = None
    necessity: float | None = None
    saco: float | None = None
    similarity: float | None = None
    achieved_area: float | None = None


@dataclass(frozen=True)
class Subject:
    """A clip and its known evidence.

    Attributes:
        clip: its index.
        label: its class, which is the target.
        prepared: the network's input.
        evidence: bool [T, H, W], of the network's frames.
    """

    clip: int
    label: int
    prepared: PreparedClip
    evidence: Evidence

    @property
    def area(self) -> float:
        """The evidence's share of the clip."""
        return max(float(self.evidence.mean()), SMALLEST_AREA)


def measure(task: Task) -> list[Score]:
    """Measure the task's clips, several at once, on one thread.

    Returns:
        The scores; none if the method doesn't suit the network.
    """
    torch.set_num_threads(1)
    classifier = zoo.load(task.model)
    subjects = [_subject(classifier, clip) for clip in task.clips]
    with _engine(classifier) as engine:
        began = time.process_time()
        try:
            saliencies = explain(engine, classifier, task, subjects)
        except UnsuitableMethod:
            return []
        seconds = (time.process_time() - began) / len(subjects)
        jobs = [
            engine.submit(
                faithfulness.evaluate(_case(classifier, subject), saliency, area=subject.area)
            )
            for subject, saliency in zip(subjects, saliencies, strict=True)
        ]
        measures = [job.result() for job in jobs]
    similarities = _similarities(task, classifier, subjects, saliencies)
    return [
        Score(
            clip=subject.clip,
            label=subject.label,
            seconds=seconds,
            pointing=faithfulness.pointing(saliency.map, subject.evidence, TOLERANCE),
            iou=faithfulness.iou(saliency.map, subject.evidence, subject.area),
            insertion=measured.insertion,
            deletion=measured.deletion,
            sensitivity_n=measured.sensitivity_n,
            relative_delta=measured.relative_delta,
            sufficiency=measured.sufficiency,
            necessity=measured.necessity,
            saco=measured.saco,
            similarity=similarity,
            achieved_area=_achieved(saliency, subject.area),
        )
        for subject, saliency, measured, similarity in zip(
            subjects, saliencies, measures, similarities, strict=True
        )
    ]


def explain(
    engine: Engine, classifier: Classifier, task: Task, subjects: Sequence[Subject]
) -> list[Saliency]:
    """The maps of the subjects."""
    if task.method in FLOORS:
        floor = FLOORS[task.method]
        return [floor(_case(classifier, subject)) for subject in subjects]
    jobs = []
    for subject in subjects:
        given = dict(task.parameters)
        if "area" in catalogue.find(task.method).parameters.model_fields:
            given["area"] = subject.area
        explainer = Explainer.of(classifier, task.method, given, batch=AT_ONCE)
        jobs.append(engine.submit(explainer.attribute(subject.prepared, subject.label)))
    return [job.result() for job in jobs]


def _similarities(
    task: Task, classifier: Classifier, subjects: Sequence[Subject], saliencies: Sequence[Saliency]
) -> list[float | None]:
    """Similarities of the first subjects' maps to those of random weights; None for the rest."""
    found: list[list[float]] = [[] for _ in subjects]
    for seed in faithfulness.RANDOM_SEEDS:
        random = faithfulness.randomised(classifier, seed)
        with _engine(random) as engine:
            others = explain(engine, random, task, subjects[: task.randomised])
        for values, saliency, other in zip(found, saliencies, others, strict=False):
            similar = faithfulness.similarity(saliency.map, other.map)
            if similar is not None:
                values.append(similar)
    return [fmean(values) if values else None for values in found]


def _subject(classifier: Classifier, clip: int) -> Subject:
    sample = motion.sample(clip)
    prepared = read(classifier, sample.frames)
    evidence = sample.evidence[list(prepared.facts["frame_indices"])]
    return Subject(clip, sample.label, prepared, evidence)


def _engine(classifier: Classifier) -> Engine:
    return Engine(
        ModelRunner(classifier.network, "cpu", AT_ONCE), [Worker(threads=1)], step_s=STEP_S
    )


def _case(classifier: Classifier, subject: Subject) -> Case:
    explainer = Explainer.of(classifier, catalogue.DEFAULT, {}, seed=subject.clip, batch=AT_ONCE)
    return explainer.case(subject.prepared, subject.label)


def _achieved(saliency: Saliency, area: float) -> float | None:
    areas = saliency.diagnostics.get("areas")
    return areas[0]["achieved_area"] / area if areas else None
