"""Fixtures for all tests: the shared folder, the real I3D, a small network, seeded clips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

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
