from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from videovisual.attribution.method import Case
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.scores import Scores
from videovisual.saliency import Map
from videovisual.zoo import card

SHAPE = 4, 16, 16


class Corner(nn.Module):
    """The score of class 1 is the mean of a corner of frames 1 and 2, and class 0 has none."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        evidence = clips[:, :, 1:3, :5, :5].mean((1, 2, 3, 4))
        return torch.stack([torch.zeros_like(evidence), evidence], dim=1)


@pytest.fixture
def bright() -> torch.Tensor:
    """A clip that is bright in the corner and dark elsewhere: the class is likely."""
    clip = torch.full((3, *SHAPE), -2.0)
    clip[:, 1:3, :5, :5] = 2.0
    return clip


@pytest.fixture
def true_map() -> Map:
    values = np.zeros(SHAPE, np.float32)
    values[1:3, :5, :5] = 1
    return values


@pytest.fixture
def area(true_map: Map) -> float:
    return float(true_map.mean())


CaseOf = Callable[..., Case]


@pytest.fixture
def case_of() -> CaseOf:
    """A case of a clip whose blur suits its 16 pixels."""

    def made(clip: torch.Tensor, scores: str = "softmax", **given: int) -> Case:
        small = dataclasses.replace(card("r3d-motion"), blur_sigma=4.0, scores=scores)
        return Case(clip, target=1, card=small, batch=4, **given)

    return made


@pytest.fixture
def corner() -> Callable[..., ModelRunner]:
    def made(scores: str = "softmax") -> ModelRunner:
        return ModelRunner(Corner(), "cpu", batch=4, scores=Scores(scores))

    return made
