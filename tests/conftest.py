"""Fixtures for all tests: the shared folder, networks, seeded clips, torchvision."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from tests.frames import blocks

from videovisual import zoo

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


@pytest.fixture(scope="session")
def shared() -> Path:
    """The team's shared folder, beside the checkout; tests that need it are skipped elsewhere."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs ../shared")
    return folder


@pytest.fixture(scope="session")
def i3d() -> zoo.Classifier:
    """The real Kinetics-400 I3D; its weights are downloaded at the first use."""
    return zoo.load("i3d-kinetics400")


@pytest.fixture(scope="session")
def small() -> zoo.Classifier:
    """A narrow R3D with random weights: quick, and as deep as the real one."""
    card = zoo.card("r3d-motion")
    with torch.random.fork_rng():
        torch.manual_seed(1)
        network = zoo.build(card)
    return zoo.Classifier(card, network, "random")


@pytest.fixture
def clip(small: zoo.Classifier) -> torch.Tensor:
    """A clip for the small network: float32 [3, 16, 64, 64]."""
    return small.prepare(blocks(16, 64, 64))


@pytest.fixture(scope="session")
def torchvision() -> ModuleType:
    """torchvision, even where it was built for another torch than the one that is installed.

    Then it lacks its own operators, of which no test needs any.
    """
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
