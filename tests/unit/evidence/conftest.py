"""A clip of Motion, keys, and a record of what a model answers to it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import videovisual
from videovisual import motion
from videovisual.evidence import SigningKey

MODEL = "tsm-motion"


@dataclass(frozen=True)
class Case:
    """Paths of a clip, of a key pair, and of a record that it has signed."""

    folder: Path
    clip: Path
    private: Path
    public: Path
    record: Path


@pytest.fixture(scope="session")
def model() -> videovisual.Classifier:
    return videovisual.load(MODEL)


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory, model: videovisual.Classifier) -> Case:
    folder = tmp_path_factory.mktemp("evidence")
    clip = folder / "clip.npz"
    np.savez(clip, frames=motion.sample(4).frames, fps=25.0)
    private, public = SigningKey.new().save(folder / "laboratory")
    saliency = videovisual.explain(model, clip, "gradient")
    record = saliency.save(folder / "evidence.json", key=private)
    return Case(folder, clip, private, public, record)
