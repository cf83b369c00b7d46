"""Integrated gradients refined until they add up."""

from __future__ import annotations

import numpy as np
import pytest

from videovisual import explain, motion, zoo
from videovisual.attribution import integrated_gradients
from videovisual.errors import InvalidParameter
from videovisual.zoo import Classifier


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return zoo.load("tsm-motion")


def test_without_a_tolerance_there_are_as_many_steps_as_were_asked_for(
    classifier: Classifier,
) -> None:
    saliency = explain(classifier, motion.sample(0).frames, "integrated_gradients", steps=4)
    assert saliency.diagnostics["steps"] == 4
    assert "converged" not in saliency.diagnostics


def test_a_refined_rule_is_the_finer_one(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrated_gradients, "MOST_STEPS", 27)
    frames = motion.sample(0).frames
    refined = explain(classifier, frames, "integrated_gradients", steps=3, tolerance=1e-4)
    finer = explain(classifier, frames, "integrated_gradients", steps=27)
    assert refined.diagnostics["steps"] == 27
    assert refined.diagnostics["converged"] is False
    np.testing.assert_allclose(refined.map, finer.map, atol=1e-5 * np.abs(finer.map).max())


@pytest.mark.parametrize("index", [0, 7])
def test_it_stops_as_soon_as_the_map_adds_up(classifier: Classifier, index: int) -> None:
    frames = motion.sample(index).frames
    saliency = explain(classifier, frames, "integrated_gradients", steps=3, tolerance=0.02)
    diagnostics = saliency.diagnostics
    assert diagnostics["converged"] is True
    assert diagnostics["relative_delta"] <= 0.02
    total = saliency.map.sum(dtype=np.float64)
    assert abs(total - diagnostics["logit_rise"]) <= 0.0201 * abs(diagnostics["logit_rise"])
    if diagnostics["steps"] > 3:
        coarser = explain(
            classifier, frames, "integrated_gradients", steps=diagnostics["steps"] // 3
        )
        assert coarser.diagnostics["relative_delta"] > 0.02


def test_only_midpoints_can_be_refined(classifier: Classifier) -> None:
    with pytest.raises(InvalidParameter, match="rule=midpoint"):
        explain(
            classifier,
            motion.sample(0).frames,
            "integrated_gradients",
            rule="left",
            tolerance=0.01,
        )
