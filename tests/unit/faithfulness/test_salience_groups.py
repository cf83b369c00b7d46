"""SaCo against the algorithm of its paper, and on maps whose faithfulness is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from videovisual import faithfulness
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.scores import Scores
from videovisual.faithfulness.salience_groups import coefficient

Make = Callable[..., Any]


class Weighted(nn.Module):
    """The score of class 1 is a weighted sum of all values."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        score = (clips * self.weights).sum((1, 2, 3, 4))
        return torch.stack([torch.zeros_like(score), score], dim=1)


def algorithm(sums: list[float], falls: list[float]) -> float:
    """Algorithm 1 of the paper, line by line."""
    total = weights = 0.0
    for one in range(len(sums) - 1):
        for other in range(one + 1, len(sums)):
            weight = sums[one] - sums[other]
            if falls[one] < falls[other]:
                weight = -weight
            total += weight
            weights += abs(weight)
    return total / weights


@pytest.mark.parametrize("seed", range(4))
def test_the_coefficient_is_the_papers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sums = sorted(rng.standard_normal(10).tolist(), reverse=True)
    falls = rng.integers(0, 5, 10).astype(float).tolist()
    assert coefficient(sums, falls) == pytest.approx(algorithm(sums, falls))


@pytest.fixture
def clip() -> torch.Tensor:
    clip = torch.randn(3, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    return clip - clip.mean(dim=(1, 2, 3), keepdim=True)


def scored(clip: torch.Tensor, scores: str) -> tuple[ModelRunner, np.ndarray]:
    """A linear network, and what each pixel adds to its score beside the clip's mean colour."""
    weights = torch.randn(clip.shape, generator=torch.Generator().manual_seed(1)) / 16
    parts = (weights * clip).sum(dim=0).numpy()
    return ModelRunner(Weighted(weights), "cpu", batch=4, scores=Scores(scores)), parts


@pytest.mark.parametrize("scores", ["softmax", "sigmoid", "raw"])
def test_the_exact_map_of_a_linear_network_has_one(
    scores: str, clip: torch.Tensor, case_of: Make
) -> None:
    runner, parts = scored(clip, scores)
    case = case_of(clip, scores)
    assert run(runner, faithfulness.saco(case, parts)) == pytest.approx(1)
    assert run(runner, faithfulness.saco(case, -parts)) == pytest.approx(-1)


def test_a_random_map_has_none_in_the_mean(clip: torch.Tensor, case_of: Make) -> None:
    runner, _ = scored(clip, "softmax")
    found = [
        run(
            runner,
            faithfulness.saco(
                case_of(clip), np.random.default_rng(seed).random((4, 16, 16), np.float32)
            ),
        )
        for seed in range(30)
    ]
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))


def test_equal_values_are_drawn_and_undefined_cases_are_told(
    clip: torch.Tensor, case_of: Make
) -> None:
    runner, parts = scored(clip, "softmax")
    case = case_of(clip)
    tied = (parts > np.quantile(parts, 0.7)).astype(np.float32)
    assert run(runner, faithfulness.saco(case, tied)) > 0.9
    assert run(runner, faithfulness.saco(case, np.ones_like(parts))) is None
    blind = ModelRunner(Weighted(torch.zeros(clip.shape)), "cpu", batch=4)
    assert run(blind, faithfulness.saco(case, parts)) is None
