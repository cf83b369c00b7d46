"""The measures of maps with equal values, against scipy and against their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from videovisual import faithfulness
from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.saliency import Saliency
from videovisual.zoo import card


class Mean(nn.Module):
    """The probability of class 1 grows with the clip's sharpness, pixel by pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.05))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        evidence = self.scale * clips.square().sum((1, 2, 3, 4))
        return torch.stack([torch.ones_like(evidence), evidence], dim=1)


@pytest.fixture
def case() -> Case:
    clip = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    return Case(clip, target=1, card=card("r3d-motion"), batch=4)


@pytest.fixture
def runner() -> ModelRunner:
    return ModelRunner(Mean(), "cpu", batch=4)


@pytest.fixture
def tied() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 3, (4, 8, 8)).astype(np.float32)


@pytest.mark.parametrize("levels", [2, 3, 10, 10**6])
@pytest.mark.parametrize("seed", range(4))
def test_similarity_is_scipy_s_spearman(levels: int, seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, levels, (2, 3, 7, 5)).astype(np.float32)
    expected = stats.spearmanr(first.ravel(), second.ravel()).statistic
    assert faithfulness.similarity(first, -second) == pytest.approx(expected)


def test_similarity_of_sparse_maps() -> None:
    """Two maps that share no pixel are not alike, though most of their values are both 0."""
    first = np.zeros((1, 8, 8), np.float32)
    second = first.copy()
    first[0, 0, :4], second[0, 7, :4] = 1, 1
    # Two binary variables: the rank correlation is the phi coefficient, -16 / (4 * 60).
    assert faithfulness.similarity(first, second) == pytest.approx(-1 / 15)
    assert faithfulness.similarity(first, first) == pytest.approx(1)


def test_a_constant_map_s_correlations_are_undefined(
    runner: ModelRunner, case: Case, tied: np.ndarray
) -> None:
    blank = np.zeros_like(tied)
    assert faithfulness.similarity(blank, blank) is None
    assert faithfulness.similarity(tied, blank + 3) is None
    measured = run(runner, faithfulness.evaluate(case, Saliency(blank, signed=False)))
    assert measured.sensitivity_n is None
    assert measured.to_json()["sensitivity_n"] is None


def test_a_constant_map_s_curves_are_one_line(runner: ModelRunner, case: Case) -> None:
    blank = np.zeros((4, 8, 8), np.float32)
    insertion, deletion = run(runner, faithfulness.insertion_deletion(case, blank))
    ends = torch.stack([case.clip, blur(case.clip, case.card.blur_sigma)])
    mean = Mean()(ends).softmax(dim=1)[:, 1].mean().item()
    assert insertion == pytest.approx(mean, abs=1e-6)
    assert deletion == pytest.approx(mean, abs=1e-6)


def test_no_measure_depends_on_the_order_of_equal_values(
    runner: ModelRunner, case: Case, tied: np.ndarray
) -> None:
    """Reversed in time, clip, map and evidence give the same values."""
    evidence = tied + np.arange(4)[:, None, None] % 2 > 1
    back = Case(case.clip.flip(1), target=1, card=case.card, batch=4)
    turned = np.ascontiguousarray(tied[::-1])
    forth = run(runner, faithfulness.insertion_deletion(case, tied))
    assert forth == pytest.approx(
        run(runner, faithfulness.insertion_deletion(back, turned)), abs=1e-6
    )
    for measure in (lambda *given: faithfulness.iou(*given, 0.2), faithfulness.pointing):
        assert measure(tied, evidence) == pytest.approx(measure(turned, evidence[::-1]))
        across = tied[:, ::-1, ::-1], evidence[:, ::-1, ::-1]
        assert measure(*across) == pytest.approx(measure(tied, evidence))


def test_curves_of_distinct_values_have_all_steps(runner: ModelRunner, case: Case) -> None:
    """Against the textbook's: pixel counts at even steps, and the trapezoidal rule."""
    values = np.random.default_rng(0).permutation(256).reshape(4, 8, 8).astype(np.float32)
    insertion, deletion = run(runner, faithfulness.insertion_deletion(case, values, points=8))
    blurred = blur(case.clip, case.card.blur_sigma)
    for found, (inside, outside) in zip(
        (insertion, deletion), itertools.permutations((case.clip, blurred)), strict=True
    ):
        masks = [torch.from_numpy(values >= 256 - 32 * point) for point in range(9)]
        clips = torch.stack([torch.where(mask, inside, outside) for mask in masks])
        curve = Mean()(clips).softmax(dim=1)[:, 1]
        assert found == pytest.approx(torch.trapezoid(curve).item() / 8, abs=1e-6)


def test_pointing_counts_every_maximum() -> None:
    values = np.zeros((2, 8, 8), np.float32)
    evidence = np.zeros((2, 8, 8), bool)
    evidence[:, :2, :2] = True
    values[0, 0, 0] = values[0, 7, 7] = values[0, 7, 6] = 1
    values[1, 1, 1] = values[1, 6, 6] = 1
    assert faithfulness.pointing(values, evidence) == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert faithfulness.pointing(np.zeros_like(values), evidence) == 0


def test_iou_of_equal_values_is_that_of_a_share_of_each() -> None:
    evidence = np.zeros((2, 8, 8), bool)
    evidence[0, 0] = True
    blank = np.zeros((2, 8, 8), np.float32)
    # A sixteenth of every pixel: half a pixel of 8 + 8 - 0.5 is shared.
    assert faithfulness.iou(blank, evidence, 1 / 16) == pytest.approx(0.5 / 15.5)
    assert faithfulness.iou(blank, np.zeros_like(evidence), 1 / 16) == 0
