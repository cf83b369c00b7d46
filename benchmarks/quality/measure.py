"""One search of one clip with one preset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch

from videovisual import motion, zoo
from videovisual.attribution.method import Case
from videovisual.attribution.perturbation.methods import PRESETS
from videovisual.attribution.perturbation.optimiser import optimise
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import Preset
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.pipeline.preprocessing import read

AREA = 0.1
METHODS = {name: PRESETS[name] for name in ("ep_3d", "step")}
LOWERED: Literal["bfloat16"] = "bfloat16"
"""The quick preset with bfloat16 gradients, which small models use only on request."""

GPU = "gpu"
"""The quick preset on a GPU, which uses bfloat16 gradients for all models."""


@dataclass(frozen=True)
class Task:
    """The search of one process.

    Attributes:
        model: a motion model's name.
        method, preset: of `METHODS`, or the preset `LOWERED` or `GPU`.
        clip: the index of a held-out clip of Motion, whose class is the target.
    """

    model: str
    method: str
    preset: str
    clip: int


@dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
        clip: its index.
        objective: the lowest of the search.
        soft, hard: the target's probability behind the mask as it is, and cut to 0 and 1.
        iterations: of the search.
    """

    clip: int
    objective: float
    soft: float
    hard: float
    iterations: int


def measure(task: Task) -> Found:
    """Search on one thread."""
    torch.set_num_threads(1)
    device = "cuda" if task.preset == GPU else "cpu"
    classifier = zoo.load(task.model, device=device)
    sample = motion.sample(task.clip)
    clip = read(classifier, sample.frames).clip.to(device)
    case = Case(clip, sample.label, classifier.card)
    parameters = PerturbationParameters(area=(AREA,))
    preset = METHODS[task.method]["quick" if task.preset in (LOWERED, GPU) else task.preset]
    runner = ModelRunner(
        classifier.network, device, precision=LOWERED if task.preset == LOWERED else "auto"
    )
    facts = run(runner, optimise(case, parameters, with_own_blur(preset))).diagnostics
    area = facts["areas"][0]
    kept = area["probability_preserve"]
    return Found(task.clip, area["objective"], kept["soft"], kept["hard"], facts["iterations"])


def with_own_blur(preset: Preset) -> Preset:
    """The preset with the model's own blur, so that all presets have the same objective."""
    return replace(preset, blur=None)
