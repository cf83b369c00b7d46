"""Reference logits from a folder beside the repository; tests skip where it is missing."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from tests.unit.zoo.hub import Hub, serving

from videovisual.zoo.weights_io import http as downloading

REFERENCE = Path(__file__).parents[4] / "shared" / "reference"


class Reference:
    """Synthetic weights and clips, and the original implementations' logits for them."""

    def __init__(self, folder):
        self.folder = folder
        spec = importlib.util.spec_from_file_location("stand_in", folder / "stand_in_weights.py")
        self.stand_in = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(self.stand_in)

    def state(self, name):
        lines = (self.folder / f"{name}_state_dict.txt").read_text().splitlines()
        shapes = dict(line.split() for line in lines)
        return {key: self.stand_in.tensor_for(key, _shape(shape)) for key, shape in shapes.items()}

    def clip(self, name, shape):
        return self.stand_in.clip_for(name, shape)

    def logits(self, name, entry="logits"):
        return np.load(self.folder / f"{name}_logits.npz")[entry]


def _shape(text):
    return () if text == "scalar" else tuple(int(side) for side in text.split("x"))


@pytest.fixture(scope="session")
def reference():
    if not REFERENCE.is_dir():
        pytest.skip("needs ../shared/reference")
    return Reference(REFERENCE)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub on loopback, which `$HF_ENDPOINT` names, and an empty cache."""
    monkeypatch.setattr(downloading, "BACKOFF_S", 0)
    monkeypatch.setenv("VIDEOVISUAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with serving(Hub()) as made:
        monkeypatch.setenv("HF_ENDPOINT", made.url)
        yield made
