"""Sufficiency and necessity against their definition, written out pixel by pixel."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from videovisual import faithfulness
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Probe, Reading
from videovisual.saliency import Map, Saliency

ndimage = pytest.importorskip("scipy.ndimage")

Make = Callable[..., Any]


def by_hand(clip: torch.Tensor, mask: np.ndarray, score: Callable[[np.ndarray], float]) -> Any:
    """Scores of the whole clip, and for each fill: all hidden, three edges shown, three hidden."""
    frames = clip.double().numpy()

    def blurred(values: np.ndarray, sigma: float) -> np.ndarray:
        # The kernel ends at four standard deviations, rounded up.
        kernel = {"axes": (-2, -1), "mode": "constant", "radius": int(np.ceil(4 * sigma))}
        return ndimage.gaussian_filter(values, sigma, **kernel) if sigma else values

    mean = np.broadcast_to(frames.mean(axis=(1, 2, 3), keepdims=True), frames.shape)
    fills = [blurred(frames, 3), blurred(frames, 6), mean, blurred(np.roll(frames, 2, axis=1), 4)]
    ones, hard = np.ones(mask.shape), mask.astype(float)
    edges = [blurred(hard, sigma) / blurred(ones, sigma) for sigma in (0, 0.3, 0.8)]
    rows = [
        [
            score(fill),
            *(score(edge * frames + (1 - edge) * fill) for edge in edges),
            *(score((1 - edge) * frames + edge * fill) for edge in edges),
        ]
        for fill in fills
    ]
    return score(frames), np.array(rows)


def logit(frames: np.ndarray) -> float:
    return float(frames[:, 1:3, :5, :5].mean())


def sigmoid(frames: np.ndarray) -> float:
    return 1 / (1 + float(np.exp(-logit(frames))))


@pytest.mark.parametrize("scores", ["softmax", "sigmoid", "raw"])
def test_it_is_the_definition_s(
    scores: str, corner: Make, case_of: Make, bright: torch.Tensor, true_map: Map, area: float
) -> None:
    """With two classes of which one has the logit 0, softmax and sigmoid agree."""
    noisy = bright + torch.randn(bright.shape, generator=torch.Generator().manual_seed(0))
    found = run(corner(scores), faithfulness.retention(case_of(noisy, scores), true_map, area))
    whole, rows = by_hand(noisy, true_map > 0, logit if scores == "raw" else sigmoid)
    zero = rows[:, :1] if scores == "raw" else 0
    kept = (rows - zero) / (whole - zero)
    assert found.area == area
    np.testing.assert_allclose(found.nothing, kept[:, 0], atol=1e-5)
    np.testing.assert_allclose(found.shown, kept[:, 1:4].ravel(), atol=1e-5)
    np.testing.assert_allclose(found.hidden, kept[:, 4:].ravel(), atol=1e-5)
    shown, lost = kept[:, 1:4].clip(0, 1), 1 - kept[:, 4:].clip(0, 1)
    assert found.sufficiency == pytest.approx(shown.mean(), abs=1e-5)
    assert found.sufficiency_spread == pytest.approx(shown.std(), abs=1e-5)
    assert found.sufficiency_held == pytest.approx((shown >= 0.5).mean())
    assert found.necessity == pytest.approx(lost.mean(), abs=1e-5)
    assert found.necessity_spread == pytest.approx(lost.std(), abs=1e-5)
    assert found.sufficiency > found.sufficiency_floor + 0.3


def test_one_way_that_brings_more_than_the_clip_does_not_make_up_for_the_others() -> None:
    """What is in the shown share counts once, however much more one way brings."""
    shown = np.array([10.0, 0.1, 0.1, 0.1])
    found = faithfulness.Retention(0.1, shown, shown, np.zeros(1))
    assert found.sufficiency == pytest.approx(1.3 / 4)
    assert found.sufficiency_held == 0.25
    assert found.necessity == pytest.approx(2.7 / 4)


@pytest.mark.parametrize("scores", ["softmax", "raw"])
def test_a_target_that_gains_by_hiding_all_has_no_sufficiency(
    scores: str, corner: Make, case_of: Make, bright: torch.Tensor, true_map: Map
) -> None:
    measured = run(
        corner(scores), faithfulness.evaluate(case_of(-bright, scores), Saliency(true_map, False))
    )
    assert measured.sufficiency is None
    assert measured.necessity is None
    assert "with everything hidden" in measured.undefined["sufficiency"]


def test_a_map_without_a_top_has_no_sufficiency(
    corner: Make, case_of: Make, bright: torch.Tensor, true_map: Map
) -> None:
    half = (np.arange(true_map.size).reshape(true_map.shape) % 2).astype(np.float32)
    measured = run(corner(), faithfulness.evaluate(case_of(bright), Saliency(half, False)))
    assert measured.sufficiency is None
    assert "are equal" in measured.undefined["sufficiency"]
    assert measured.area is None


def test_the_share_is_the_one_that_the_method_was_asked_for(true_map: Map) -> None:
    areas = [{"area": 0.05}, {"area": 0.2}]
    assert faithfulness.area_of(Saliency(true_map, False, {"areas": areas})) == 0.2
    assert faithfulness.area_of(Saliency(true_map, False)) == faithfulness.AREA


@pytest.mark.parametrize("batch", [1, 4])
def test_an_evaluation_takes_the_passes_that_are_counted(
    batch: int, corner: Make, case_of: Make, bright: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).random(bright.shape[1:]).astype(np.float32)
    steps: list[tuple[int, int]] = []
    clips: list[int] = []
    runner: ModelRunner = corner()
    evaluated = runner.evaluate
    case = dataclasses.replace(case_of(bright), batch=batch)
    work = faithfulness.evaluate(case, Saliency(values, signed=False))

    def seen(probe: Probe) -> Reading:
        clips.append(len(probe.clips))
        steps.append((probe.progress.step, probe.progress.of))
        return evaluated(probe)

    monkeypatch.setattr(runner, "evaluate", seen)
    run(runner, work)
    assert sum(clips) == faithfulness.EVALUATION
    assert {of for _, of in steps} == {faithfulness.EVALUATION}
    assert [step for step, _ in steps] == [sum(clips[:place]) for place in range(len(clips))]
