"""Stability of methods whose behaviour is known."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from videovisual import faithfulness
from videovisual.engine.engine import run
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.faithfulness.reruns import CHANGES, NOISE, _changed, shifted
from videovisual.saliency import Map, Saliency

Make = Callable[..., Any]

CLIP = 0.2 * torch.randn(3, 6, 12, 12, generator=torch.Generator().manual_seed(0))


def values_of(clip: torch.Tensor) -> Map:
    """A map that is each pixel's own brightness: equivariant, and as stable as the clip."""
    return clip.square().sum(dim=0).numpy()


def steady(clip: torch.Tensor, seed: int) -> Attribution:
    partial = Progress(1, 2, partial=lambda: Saliency(values_of(clip), signed=False))
    yield Probe(clip[None], progress=partial)
    return Saliency(values_of(clip), signed=False)


def flickering(clip: torch.Tensor, seed: int) -> Attribution:
    """Every second frame of the map is blank, wherever the clip is."""
    yield Probe(clip[None])
    values = values_of(clip)
    values[1::2] = 0
    return Saliency(values, signed=False)


def drawn(clip: torch.Tensor, seed: int) -> Attribution:
    yield Probe(clip[None])
    return Saliency(np.random.default_rng(seed).random((6, 12, 12), np.float32), signed=False)


def measured(method: Any, case_of: Make, corner: Make, **given: Any) -> dict[str, float | None]:
    case = case_of(CLIP)
    own = run(corner(), method(CLIP, case.seed))
    found = run(corner(), faithfulness.stability(case, own, method, **given))
    return found.to_json()


def test_a_map_that_follows_its_clip_is_stable(case_of: Make, corner: Make) -> None:
    facts = measured(steady, case_of, corner)
    assert facts["stability_seed"] == pytest.approx(1)
    assert facts["stability_frame"] == pytest.approx(1)
    assert facts["stability_pixels"] == pytest.approx(1)
    assert facts["stability_pixels_overlap"] == pytest.approx(1)
    assert 0.9999 < facts["stability_noise"] < 1
    assert facts["stability"] == facts["stability_noise"]


def test_a_grid_in_time_shows_when_the_clip_moves_by_a_frame(case_of: Make, corner: Make) -> None:
    facts = measured(flickering, case_of, corner)
    assert facts["stability_frame"] < 0
    assert facts["stability_frame_overlap"] == facts["stability_overlap"] < 0.1
    assert facts["stability_noise"] > 0.9999


def test_another_seed_shows_what_is_drawn(case_of: Make, corner: Make) -> None:
    facts = measured(drawn, case_of, corner, area=0.25)
    stats = pytest.importorskip("scipy.stats")
    one, other = (run(corner(), drawn(CLIP, seed)).map for seed in (0, 1))
    assert facts["stability_seed"] == pytest.approx(stats.pearsonr(one.ravel(), other.ravel())[0])
    tops = [values >= np.quantile(values, 0.75) for values in (one, other)]
    union = np.logical_or(*tops).sum()
    assert facts["stability_seed_overlap"] == pytest.approx(np.logical_and(*tops).sum() / union)
    assert facts["stability_noise"] == pytest.approx(1)


def test_noise_and_shifts_are_what_they_say(case_of: Make, corner: Make) -> None:
    seen: list[torch.Tensor] = []

    def watched(clip: torch.Tensor, seed: int) -> Attribution:
        seen.append(clip)
        return steady(clip, seed)

    measured(watched, case_of, corner)
    _, noisy, later, moved, same = seen
    case = case_of(CLIP)
    span = (case.flat(1.0) - case.flat(0.0)).flatten()
    stds = (noisy - CLIP).flatten(1).std(dim=1) / span
    assert stds == pytest.approx([NOISE] * 3, rel=0.1)
    white = case.flat(1.0)
    edge = dataclasses.replace(case, clip=white.expand_as(CLIP))
    brightest = _changed(edge, CHANGES["noise"]).amax(dim=(1, 2, 3))
    assert torch.equal(brightest, white.flatten())
    assert torch.equal(later[:, 1:], CLIP[:, :-1])
    assert torch.equal(later[:, 0], CLIP[:, 0])
    assert torch.equal(moved[..., 2:, 2:], CLIP[..., :-2, :-2])
    assert torch.equal(same, CLIP)
    assert torch.equal(shifted(CLIP, (0, 0, 0)), CLIP)


def test_a_constant_map_and_a_single_frame_are_told(case_of: Make, corner: Make) -> None:
    def constant(clip: torch.Tensor, seed: int) -> Attribution:
        yield Probe(clip[None])
        return Saliency(np.ones(clip.shape[1:], np.float32), signed=False)

    still = CLIP[:, :1].repeat(1, 1, 2, 2)
    case = case_of(still)

    work = faithfulness.stability(case, Saliency(values_of(still) * 0 + 1, False), constant)
    found = run(corner(), work)
    assert found.to_json()["stability"] is None
    assert found.undefined["stability_frame"] == "the clip has one frame"
    assert found.undefined["stability_noise"] == "a map is the same everywhere"


def test_no_partial_map_of_a_changed_clip_is_offered(case_of: Make) -> None:
    case = case_of(CLIP)
    work = faithfulness.stability(case, Saliency(values_of(CLIP), signed=False), steady)
    probe = next(work)
    assert probe.progress.partial is None
    assert (probe.progress.step, probe.progress.of) == (1, 8)
