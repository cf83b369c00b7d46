"""`lime` against an independent weighted least squares, and on networks that are linear."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from videovisual import Classifier, InputSpec, explain
from videovisual.attribution.lime import fit, samples, weights
from videovisual.attribution.superpixels import grid
from videovisual.protocol.caveats import MIN_R2

Vector = npt.NDArray[np.float64]


def ridge_regression(shown: Vector, scores: Vector, weight: Vector, ridge: float) -> Vector:
    """Intercept and coefficients by least squares with further rows for the penalty."""
    design = np.column_stack([np.ones(len(shown)), shown]) * np.sqrt(weight)[:, None]
    penalty = np.sqrt(ridge) * np.eye(shown.shape[1] + 1)[1:]
    target = np.concatenate([scores * np.sqrt(weight), np.zeros(len(penalty))])
    found: Vector = np.linalg.lstsq(np.vstack([design, penalty]), target, rcond=None)[0]
    return found


@pytest.mark.parametrize("ridge", [1e-6, 1.0, 50.0])
def test_the_fit_is_a_weighted_ridge_regression(ridge: float) -> None:
    shown = samples(7, 700, seed=1)
    weight, scores = weights(shown, 0.25), torch.randn(700, dtype=torch.float64)
    found = fit(shown, scores, weight, ridge)
    data = shown.double().numpy(), scores.numpy(), weight.numpy()
    intercept, *expected = ridge_regression(*data, ridge)
    np.testing.assert_allclose(found.coefficients, expected, atol=1e-10)

    mean = np.average(data[1], weights=data[2])
    whole = np.sum(data[2] * (data[1] - mean) ** 2)
    misses = data[1] - intercept - data[0] @ expected
    assert found.r2 == pytest.approx(1 - np.sum(data[2] * misses**2) / whole)


def test_a_sample_that_is_left_out_is_predicted_from_the_others() -> None:
    shown = samples(5, 40, seed=2)
    weight, scores = weights(shown, 0.3), torch.randn(40, dtype=torch.float64)
    found = fit(shown, scores, weight, 0.5)
    data = shown.double().numpy(), scores.numpy(), weight.numpy()
    misses = []
    for sample in range(40):
        intercept, *others = ridge_regression(*(np.delete(each, sample, 0) for each in data), 0.5)
        misses.append(data[1][sample] - intercept - data[0][sample] @ others)
    whole = np.sum(data[2] * (data[1] - np.average(data[1], weights=data[2])) ** 2)
    assert found.r2_left_out == pytest.approx(1 - np.sum(data[2] * np.square(misses)) / whole)
    assert found.r2 is not None
    assert found.r2_left_out is not None
    assert found.r2_left_out < found.r2


def test_the_kernel_is_the_papers_of_the_cosine_distance() -> None:
    shown = torch.tensor([[1, 1, 1, 1], [1, 0, 0, 1], [0, 0, 0, 0]], dtype=torch.bool)
    ones = np.ones(4)
    cosines = [ones @ each / np.linalg.norm(each) / 2 for each in shown[:2].double().numpy()]
    expected = np.exp(-((1 - np.array([*cosines, 0.0])) ** 2) / 0.5**2)
    np.testing.assert_allclose(weights(shown, 0.5), expected, rtol=1e-12)


def test_the_first_sample_shows_all_and_the_numbers_shown_are_uniform() -> None:
    shown = samples(9, 5000, seed=3)
    assert shown[0].all()
    counts = shown[1:].sum(dim=1).bincount(minlength=10)
    assert counts.min() > 400
    assert counts.max() < 600
    assert torch.equal(shown, samples(9, 5000, seed=3))
    assert not torch.equal(shown, samples(9, 5000, seed=4))


class Linear(nn.Module):
    """A weight for each pixel of each frame, the same for all colours; and the square of that."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        score = (clips.mean(dim=1) * self.weight).sum(dim=(1, 2, 3))
        return torch.stack([score, torch.sin(4 * score)], dim=1)


@pytest.fixture
def linear() -> Classifier:
    spec = InputSpec(frames=4, size=8)
    return Classifier.from_module(Linear(torch.randn(4, 8, 8)), ["sum", "sine"], spec, scores="raw")


QUICK: dict[str, Any] = {"cells": 2, "frame_cells": 2, "samples": 200, "ridge": 1e-6}


def test_a_linear_network_has_its_own_coefficients(linear: Classifier) -> None:
    clip = torch.rand(3, 4, 8, 8)
    found = explain(linear, clip, "lime", "sum", **QUICK)
    regions = grid((4, 8, 8), (2, 2, 2))
    terms = (clip.mean(dim=0) - 0.5) * linear.network.get_parameter("module.weight")
    expected = torch.zeros(8).index_add_(0, regions.flatten(), terms.flatten())
    np.testing.assert_allclose(found.map, expected[regions], atol=1e-4)
    assert found.diagnostics["r2"] > 0.999
    assert found.diagnostics["superpixels"] == 8
    assert found.signed


def test_a_network_that_is_not_linear_is_told_by_its_fit(linear: Classifier) -> None:
    facts = explain(linear, torch.rand(3, 4, 8, 8), "lime", "sine", **QUICK).diagnostics
    assert facts["r2_left_out"] < MIN_R2


def test_a_score_that_does_not_vary_has_no_r2() -> None:
    shown = samples(4, 30, seed=0)
    model = fit(shown, torch.full((30,), 2.5).double(), weights(shown, 0.25), 1.0)
    assert model.r2 is None
    assert model.r2_left_out is None
    assert not model.coefficients.any()


def test_hiding_regions_of_a_colour_keeps_their_map_in_one_piece(linear: Classifier) -> None:
    clip = torch.zeros(3, 4, 8, 8)
    clip[:, :, :, 5:] = 1.0
    found = explain(linear, clip, "lime", "sum", superpixels="colour", **QUICK)
    assert len(np.unique(found.map)) <= found.diagnostics["superpixels"] <= 8
    assert not set(np.unique(found.map[:, :, :5])) & set(np.unique(found.map[:, :, 5:]))
