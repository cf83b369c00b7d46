"""Reference logits beside the repository, and torchvision, for those machines that have them."""

import importlib
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

REFERENCE = Path(__file__).parents[4] / "shared" / "reference"


class Reference:
    """The folder of reference values: stand-in weights, stand-in clips, and their logits."""

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


@pytest.fixture(scope="session")
def torchvision():
    """torchvision, whose wheel expects the CUDA build of torch."""
    try:
        module = importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float threshold) -> Tensor")
        module = importlib.import_module("torchvision")
        module._missing_operators = library  # its operators go when it does
    except ImportError:
        pytest.skip("needs torchvision")
    return module
