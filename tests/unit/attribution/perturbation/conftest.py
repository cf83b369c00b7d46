from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import nn

from videovisual import zoo
from videovisual.attribution.method import Case
from videovisual.engine.model_runner import ModelRunner


@pytest.fixture(scope="session")
def torchray() -> ModuleType:
    """TorchRay's extremal perturbations, for images."""
    module: ModuleType = pytest.importorskip("torchray.attribution.extremal_perturbation")
    return module


class Toy(nn.Module):
    """A tiny network: a convolution, a ReLU and a linear layer over all pixels."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        frames, height, width = shape
        self.convolution = nn.Conv3d(3, 4, 3, padding=1)
        self.linear = nn.Linear(4 * frames * height * width, 5)
        nn.init.normal_(self.linear.weight, std=0.02)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.linear(self.convolution(clips).relu().flatten(1))
        return logits


class Spot(nn.Module):
    """Class 1's logit is the mean of the pixels of one box of space-time, class 0's is 0."""

    def __init__(self, box: tuple[slice, slice, slice], scale: float = 8.0) -> None:
        super().__init__()
        self.box = box
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        inside = clips[(slice(None), slice(None), *self.box)].mean(dim=(1, 2, 3, 4))
        return torch.stack([torch.zeros_like(inside), self.scale * (inside - 0.5)], dim=1)


SHAPE = (4, 24, 32)
BOX = (slice(1, 3), slice(8, 16), slice(4, 14))
"""Evidence of 2 x 8 x 10 of 4 x 24 x 32 pixels: a share of about 0.05."""


def case_of(clip: torch.Tensor, target: int = 1) -> Case:
    return Case(clip, target, zoo.card("r3d-motion"))


@pytest.fixture
def toy() -> ModelRunner:
    return ModelRunner(Toy(SHAPE), "cpu")


@pytest.fixture
def spot() -> ModelRunner:
    return ModelRunner(Spot(BOX), "cpu")


@pytest.fixture
def case() -> Case:
    """A clip of noise, 3 x 4 x 24 x 32, with target 1."""
    return case_of(torch.randn(3, *SHAPE))


@pytest.fixture
def bright() -> Case:
    """A clip that is 1 everywhere; `spot` reads only its box."""
    return case_of(torch.ones(3, *SHAPE))
