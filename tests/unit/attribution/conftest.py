from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import nn

from videovisual import zoo
from videovisual.zoo import Classifier

MOTION_MODELS = [name for name in zoo.cards() if name.endswith("-motion")]
TRANSFORMERS = ("videomae-motion", "swin3d-motion")
CONVOLUTIONAL = [name for name in MOTION_MODELS if name not in TRANSFORMERS]


@pytest.fixture(scope="session")
def hooks() -> Callable[[nn.Module], int]:
    """Counts all hooks in a network."""

    def count(network: nn.Module) -> int:
        return sum(
            len(module._forward_hooks)
            + len(module._forward_pre_hooks)
            + len(module._backward_hooks)
            for module in network.modules()
        )

    return count


@pytest.fixture(scope="session", params=MOTION_MODELS)
def motion_model(request: pytest.FixtureRequest) -> Classifier:
    """Each small architecture, trained."""
    return zoo.load(request.param)


@pytest.fixture(scope="session", params=CONVOLUTIONAL)
def convnet(request: pytest.FixtureRequest) -> Classifier:
    """Each small architecture of convolutions and ReLUs, trained."""
    return zoo.load(request.param)


@pytest.fixture(scope="session", params=TRANSFORMERS)
def transformer(request: pytest.FixtureRequest) -> Classifier:
    """Each small transformer, trained."""
    return zoo.load(request.param)
