"""Integrated gradients from each baseline, and refined to a tolerance."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pytest
import torch
from captum import attr
from tests.frames import blocks

from videovisual import explain, motion, zoo
from videovisual.attribution import integrated_gradients
from videovisual.attribution.blur import blur
from videovisual.attribution.integrated_gradients import Integral
from videovisual.errors import InvalidParameter
from videovisual.protocol.caveats import MAX_RELATIVE_DELTA, steps_for
from videovisual.zoo import Classifier

RULE_ALONE: dict[str, Any] = {"steps": 3, "complete": False}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return zoo.load("tsm-motion")


def test_without_a_tolerance_the_number_of_steps_is_as_given(classifier: Classifier) -> None:
    saliency = explain(classifier, motion.sample(0).frames, "integrated_gradients", steps=4)
    assert saliency.diagnostics["steps"] == 4
    assert "converged" not in saliency.diagnostics


def test_a_refined_rule_equals_the_finer_rule(
    classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrated_gradients, "MAX_STEPS", 27)
    frames = motion.sample(0).frames
    refined = explain(classifier, frames, "integrated_gradients", steps=3, tolerance=1e-4)
    finer = explain(classifier, frames, "integrated_gradients", steps=27)
    assert refined.diagnostics["steps"] == 27
    assert refined.diagnostics["converged"] is False
    np.testing.assert_allclose(refined.map, finer.map, atol=1e-5 * np.abs(finer.map).max())


@pytest.mark.parametrize("index", [0, 7])
def test_refinement_stops_within_the_tolerance(classifier: Classifier, index: int) -> None:
    frames = motion.sample(index).frames
    saliency = explain(classifier, frames, "integrated_gradients", steps=3, tolerance=0.02)
    diagnostics = saliency.diagnostics
    assert diagnostics["converged"] is True
    assert diagnostics["relative_delta"] <= 0.02
    if diagnostics["steps"] > 3:
        coarser = explain(
            classifier, frames, "integrated_gradients", steps=diagnostics["steps"] // 3
        )
        assert coarser.diagnostics["relative_delta"] > 0.02


@pytest.mark.parametrize("rule", ["midpoint", "gauss_legendre", "left"])
def test_by_default_the_map_sums_to_the_rise(classifier: Classifier, rule: str) -> None:
    frames = motion.sample(0).frames
    given = {"steps": 10, "rule": rule}
    ours = explain(classifier, frames, "integrated_gradients", **given)
    plain = explain(classifier, frames, "integrated_gradients", complete=False, **given)
    rise = ours.diagnostics["logit_rise"]
    assert ours.diagnostics["complete"] is True
    assert ours.map.sum(dtype=np.float64) == pytest.approx(rise, rel=1e-4)
    # What is reported is what the rule misses by itself.
    missed = plain.map.sum(dtype=np.float64) - rise
    assert abs(missed) > 0.002 * abs(rise)
    for saliency in (ours, plain):
        assert saliency.diagnostics["convergence_delta"] == pytest.approx(missed, rel=1e-3)
    assert "complete" not in plain.diagnostics


def points(spread: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A way, gradients [6, 3, 2, 4, 4] whose slopes differ so much, and weights that sum to 1."""
    way = torch.rand(3, 2, 4, 4) + 0.5
    height = 1 + spread * torch.linspace(-1, 1, 6).square()
    gradients = torch.rand(6, 3, 2, 4, 4) * height.view(-1, 1, 1, 1, 1)
    return way, gradients, torch.rand(6).softmax(dim=0)


def integral(way: torch.Tensor, gradients: torch.Tensor, weights: torch.Tensor) -> Integral:
    found = Integral(torch.zeros_like(way[0]), torch.zeros_like(way[0]))
    for part in (slice(2), slice(2, 6)):
        found.add(way, gradients[part], weights[part])
    return found


def test_the_adjusted_weights_are_the_closest_that_reach_the_rise() -> None:
    way, gradients, weights = points(spread=2.0)
    found = integral(way, gradients, weights)
    slopes = (gradients * way).sum(dim=(1, 2, 3, 4)).double()
    rise = float(weights.double() @ slopes) * 1.05
    assert found.complete(rise)
    # Least squares of (new − weight)² / weight under both conditions, solved as equations.
    conditions = torch.stack([torch.ones_like(slopes), slopes])
    scaled = conditions * weights.double()
    missing = torch.tensor([1.0, rise], dtype=torch.float64) - conditions @ weights.double()
    nearest = weights + scaled.T @ torch.linalg.solve(scaled @ conditions.T, missing)
    expected = torch.einsum("n,nc...,c...->...", nearest.float(), gradients, way)
    torch.testing.assert_close(found.attribution, expected, rtol=1e-4, atol=1e-4)


def test_weights_are_not_adjusted_when_slopes_hardly_vary() -> None:
    way, gradients, weights = points(spread=0.0)
    gradients = gradients[:1].expand(6, -1, -1, -1, -1)
    found = integral(way, gradients, weights)
    before = found.attribution.clone()
    assert not found.complete(found.slope * 1.5)
    assert torch.equal(found.attribution, before)


def test_adjusted_weights_are_closer_to_the_integral_where_the_error_was_large() -> None:
    """Twelve points against 100, of two clips whose logit rises within a few of the points."""
    model = zoo.load("i3d-motion")
    errors = []
    for index in (4, 5):
        frames = motion.sample(index).frames
        given = {"steps": 100, "complete": False}
        truth = explain(model, frames, "integrated_gradients", **given).map
        maps = [
            explain(model, frames, "integrated_gradients", complete=complete).map
            for complete in (True, False)
        ]
        errors.append([np.linalg.norm(each - truth) / np.linalg.norm(truth) for each in maps])
    ours, plain = np.mean(errors, axis=0)
    assert ours < 0.9 * plain


def test_only_midpoints_can_be_refined(classifier: Classifier) -> None:
    with pytest.raises(InvalidParameter, match="only midpoint can be refined"):
        explain(
            classifier, motion.sample(0).frames, "integrated_gradients", rule="left", tolerance=0.01
        )


@pytest.fixture(scope="module")
def clip(classifier: Classifier) -> torch.Tensor:
    """As small as the network takes: [3, 8, 32, 48]."""
    return classifier.prepare(blocks(8, 64, 64))[:, :, :32, :48].contiguous()


def captums(classifier: Classifier, clip: torch.Tensor, start: torch.Tensor) -> np.ndarray:
    """Three midpoints from a baseline [3, T, H, W], by Captum."""
    theirs = attr.IntegratedGradients(classifier.network).attribute(
        clip[None], start[None], target=1, n_steps=3, method="riemann_middle", internal_batch_size=1
    )
    values: np.ndarray = theirs[0].sum(dim=0).detach().numpy()
    return values


def starts(classifier: Classifier, clip: torch.Tensor, baseline: str) -> torch.Tensor:
    """What the documents say of a baseline, in the model's space: [B, 3, T, H, W]."""
    spec = classifier.card.input
    mean, std = (torch.tensor(values).view(3, 1, 1, 1) for values in (spec.mean, spec.std))
    if baseline == "blur":
        return blur(clip, classifier.card.blur_sigma)[None]
    if baseline == "noise":
        drawn = torch.rand(2, *clip.shape, generator=torch.Generator().manual_seed(5))
        return (drawn - mean) / std
    level = {"black": 0.0, "grey": 0.5}[baseline]
    return ((level - mean) / std).expand_as(clip)[None]


@pytest.mark.parametrize("baseline", ["black", "grey", "blur", "noise"])
def test_the_path_starts_at_the_baseline(
    classifier: Classifier, clip: torch.Tensor, baseline: str
) -> None:
    given = RULE_ALONE | ({"noise_baselines": 2} if baseline == "noise" else {})
    ours = explain(classifier, clip, "integrated_gradients", 1, seed=5, baseline=baseline, **given)
    begun = starts(classifier, clip, baseline)
    theirs = np.mean([captums(classifier, clip, start) for start in begun], axis=0)
    assert np.linalg.norm(ours.map - theirs) < 1e-3 * np.linalg.norm(theirs)
    with torch.inference_mode():
        scores = classifier.network(torch.cat([begun, clip[None]]))[:, 1].double()
    rise = scores[-1] - scores[:-1].mean()
    assert ours.diagnostics["logit_rise"] == pytest.approx(float(rise), rel=1e-3)


@pytest.mark.parametrize("kind", ["tensor", "array"])
def test_a_baseline_may_be_an_array(classifier: Classifier, clip: torch.Tensor, kind: str) -> None:
    start = clip.flip(1).contiguous()
    given = start if kind == "tensor" else start.numpy()
    ours = explain(classifier, clip, "integrated_gradients", 1, baseline=given, **RULE_ALONE)
    theirs = captums(classifier, clip, start)
    assert np.linalg.norm(ours.map - theirs) < 1e-3 * np.linalg.norm(theirs)
    told = ours.provenance["parameters"]["baseline"]
    assert told == f"sha256:{hashlib.sha256(start.numpy().tobytes()).hexdigest()}"


@pytest.mark.parametrize("wrong", ["shape", "nan"])
def test_a_given_baseline_of_another_shape_is_refused(
    classifier: Classifier, clip: torch.Tensor, wrong: str
) -> None:
    given = clip[:, :4] if wrong == "shape" else torch.full_like(clip, torch.nan)
    with pytest.raises(InvalidParameter, match="finite and of the clip's shape") as caught:
        explain(classifier, clip, "integrated_gradients", 1, baseline=given)
    assert caught.value.detail["parameter"] == "baseline"


def test_the_steps_that_a_caveat_advises_are_enough() -> None:
    """On held-out clips whose error is over the limit with the default steps."""
    model = zoo.load("i3d-motion")
    for index in (1, 5):
        frames = motion.sample(index).frames
        found = explain(model, frames, "integrated_gradients").diagnostics
        assert found["relative_delta"] > MAX_RELATIVE_DELTA
        advised = steps_for(found)
        assert advised is not None
        better = explain(model, frames, "integrated_gradients", steps=advised).diagnostics
        assert better["relative_delta"] < MAX_RELATIVE_DELTA
