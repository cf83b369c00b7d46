"""`frame_shapley` on networks whose moments' shares are known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from videovisual import Classifier, InputSpec, explain
from videovisual.errors import InvalidParameter

FRAMES, SIDE = 12, 8


class Weighted(nn.Module):
    """The sum over the frames of a weight times the frame's mean; the second class has 0."""

    def __init__(self, weights: torch.Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        score = clips.mean(dim=(1, 3, 4)) @ self.weights
        return torch.stack([score, torch.zeros_like(score)], dim=1)


class Motion(nn.Module):
    """How much the middle two frames differ."""

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        middle = clips.shape[2] // 2
        score = (clips[:, :, middle] - clips[:, :, middle - 1]).abs().mean(dim=(1, 2, 3))
        return torch.stack([score, torch.zeros_like(score)], dim=1)


def classifier(network: nn.Module) -> Classifier:
    spec = InputSpec(frames=FRAMES, size=SIDE)
    return Classifier.from_module(network, ["yes", "no"], spec, scores="raw")


@pytest.fixture
def clip() -> torch.Tensor:
    return torch.rand(3, FRAMES, SIDE, SIDE)


def shares(network: nn.Module, clip: torch.Tensor, **given: Any) -> list[float]:
    found: list[float] = explain(
        classifier(network), clip, "frame_shapley", 0, **given
    ).diagnostics["shares"]
    return found


@pytest.mark.parametrize("segments", [4, 12])
def test_shares_of_a_sum_over_frames_are_its_terms(clip: torch.Tensor, segments: int) -> None:
    weights = torch.arange(FRAMES) - 5.0
    terms = weights * (clip.mean(dim=(0, 2, 3)) - 0.5)
    expected = terms.view(segments, -1).sum(dim=1).tolist()
    given: dict[str, Any] = {"segments": segments, "baseline": "grey", "permutations": 4}
    assert shares(Weighted(weights), clip, **given) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("baseline", ["neighbour", "mean", "blur", "grey", "black"])
@pytest.mark.parametrize("segments", [5, 12])
def test_the_map_sums_to_the_rise_from_the_baseline(
    clip: torch.Tensor, baseline: str, segments: int
) -> None:
    given: dict[str, Any] = {"segments": segments, "baseline": baseline, "permutations": 4}
    found = explain(classifier(Motion()), clip, "frame_shapley", 0, **given)
    rise = found.diagnostics["logit_rise"]
    assert found.map.sum(dtype=np.float64) == pytest.approx(rise, rel=1e-5)
    assert sum(found.diagnostics["shares"]) == pytest.approx(rise, rel=1e-9)
    assert sum(found.diagnostics["segment_frames"]) == FRAMES
    assert (found.diagnostics["standard_errors"] is None) == (segments == 5)
    assert (np.ptp(found.map, axis=(1, 2)) == 0).all()
    assert found.signed


def test_only_the_moments_that_the_network_compares_have_shares(clip: torch.Tensor) -> None:
    found = shares(Motion(), clip, segments=6, baseline="mean")
    assert found == pytest.approx([0, 0, found[2], found[3], 0, 0], abs=1e-9)
    assert min(found[2], found[3]) > 0


def test_a_still_clip_has_no_moment_that_its_neighbours_could_not_replace() -> None:
    still = torch.rand(3, 1, SIDE, SIDE).expand(3, FRAMES, SIDE, SIDE).contiguous()
    network = Weighted(torch.ones(FRAMES))
    assert shares(network, still, baseline="neighbour") == pytest.approx([0] * 8, abs=1e-5)
    assert min(shares(network, still, baseline="black")) > 0


def test_a_hidden_moment_shows_the_nearest_frames_that_are_shown(clip: torch.Tensor) -> None:
    seen: list[torch.Tensor] = []

    class Watcher(nn.Module):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            seen.extend(clips.clone())
            return torch.zeros(len(clips), 2)

    model = classifier(Watcher())
    seen.clear()
    explain(model, clip, "frame_shapley", 0, segments=4)
    # The first pass classifies the clip, the last one finds the network's stride in time.
    shown = seen[1:17]
    assert torch.equal(shown[0b1111], clip)
    assert torch.equal(shown[0b0000], clip.mean(dim=1, keepdim=True).expand_as(clip))
    assert torch.equal(shown[0b0001], clip[:, [0, 1, 2, *[2] * 9]])
    assert torch.equal(shown[0b1001], clip[:, [0, 1, 2, 2, 2, 2, 9, 9, 9, 9, 10, 11]])
    assert torch.equal(shown[0b0100], clip[:, [*[6] * 6, 6, 7, 8, 8, 8, 8]])


def test_sampling_is_seeded_and_comes_near_the_exact_shares(clip: torch.Tensor) -> None:
    model = classifier(Motion())
    first, again, other = (
        explain(model, clip, "frame_shapley", 0, segments=12, permutations=8, seed=seed)
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first.map, again.map)
    assert not np.array_equal(first.map, other.map)
    many = explain(model, clip, "frame_shapley", 0, segments=12, permutations=600)
    errors = np.array(first.diagnostics["standard_errors"])
    misses = np.subtract(first.diagnostics["shares"], many.diagnostics["shares"])
    assert np.abs(misses).max() <= 4 * errors.max()
    assert max(many.diagnostics["standard_errors"]) < errors.max() / 4


def test_an_odd_number_of_orders_is_refused(clip: torch.Tensor) -> None:
    with pytest.raises(InvalidParameter, match="multiple of 2"):
        explain(classifier(Motion()), clip, "frame_shapley", 0, permutations=7)
