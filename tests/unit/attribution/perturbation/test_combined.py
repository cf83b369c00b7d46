"""The default of `ep_3d`: which searches its map comes from, and how a map is checked."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.attribution.perturbation.conftest import BOX, SHAPE, Spot

from videovisual.attribution.method import Case
from videovisual.attribution.perturbation import combined
from videovisual.attribution.perturbation.hiding import feather
from videovisual.attribution.perturbation.methods import ep_3d
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import STEADIER
from videovisual.attribution.perturbation.worth import random_worth, search
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.progress import Progress
from videovisual.saliency import Map, Saliency

GIVEN = {"area": [0.05, 0.2], "iterations": 20, "perturbation": "fade", "variant": "dual"}
RANDOM, AVERAGED, TRIED = 15, 20, 10
"""Iterations of the other searches, for 20 of the descent, and those after which it may be given
up."""

PASSES = 3 * 12 + 8
"""Of the averaged search: three restarts, from whose mean one search goes on."""

NEVER, ALWAYS = (2.0, 3.0), (-3.0, -2.0)
"""Limits that no correlation, and every one, exceeds."""


def parameters(**given: Any) -> PerturbationParameters:
    return PerturbationParameters.model_validate(GIVEN | given)


@dataclasses.dataclass
class Trace:
    """What a search asked for, and its result."""

    saliency: Saliency
    clips: int
    progress: list[Progress]


def trace(runner: ModelRunner, case: Case, **given: Any) -> Trace:
    job, clips, progress = ep_3d(case, parameters(**given)), 0, []
    probe = next(job)
    try:
        while True:
            clips += len(probe.clips)
            progress.append(probe.progress)
            probe = job.send(runner.evaluate(probe))
    except StopIteration as stop:
        return Trace(stop.value, clips, [each for each in progress if each is not None])


def scaled(values: Map) -> Map:
    return values / values.max()


def descent(runner: ModelRunner, case: Case) -> Map:
    return scaled(run(runner, ep_3d(case, parameters(preset="quick"))).map)


def steady(runner: ModelRunner, case: Case) -> Map:
    found, _ = run(runner, random_worth(case, parameters(), RANDOM, Progress(0, RANDOM)))
    return found.map


def averaged(runner: ModelRunner, case: Case) -> Saliency:
    _, start = run(runner, random_worth(case, parameters(), RANDOM, Progress(0, RANDOM)))
    return run(runner, search(case, parameters(iterations=AVERAGED), STEADIER, start=start))


@pytest.mark.parametrize("given_up", [False, True])
def test_a_descent_that_does_not_agree_is_left_out(
    toy: ModelRunner, case: Case, monkeypatch: pytest.MonkeyPatch, given_up: bool
) -> None:
    monkeypatch.setattr(combined, "AGREES", NEVER)
    monkeypatch.setattr(combined, "GIVEN_UP", 2 if given_up else -2)
    found, alone = trace(toy, case), averaged(toy, case)
    np.testing.assert_allclose(found.saliency.map, scaled(alone.map), atol=1e-6)
    facts = found.saliency.diagnostics
    assert (facts["random_masks"], facts["averaged_share"]) == (RANDOM, 1)
    assert facts["areas"] == alone.diagnostics["areas"]
    assert facts["iterations"] == AVERAGED
    steps = TRIED if given_up else 20
    check_progress(found, steps)
    masks = parameters().masks
    closing = 2 * masks + 2  # its masks soft and hard, the clip shown and hidden
    left = (20 - TRIED) * masks + closing if given_up else 0
    assert found.clips == parameters().passes(SHAPE) - left


def test_a_descent_is_judged_by_its_mask_so_far(
    spot: ModelRunner, bright: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Map] = []

    def agreement(one: Saliency, _: torch.Tensor) -> float:
        seen.append(one.map)
        return 0.9 if len(seen) <= 2 else 0.35  # both games of the step at which it is tried

    monkeypatch.setattr(combined, "_agreement", agreement)
    found = trace(spot, bright)
    job = ep_3d(bright, parameters(preset="quick"))
    probe = next(job)
    while probe.progress is None or probe.progress.step < TRIED:
        probe = job.send(spot.evaluate(probe))
    assert probe.progress.partial is not None
    np.testing.assert_array_equal(seen[0], probe.progress.partial().map)
    np.testing.assert_allclose(scaled(seen[-1]), descent(spot, bright), atol=1e-6)
    job.close()
    assert found.saliency.diagnostics["descent_agreement"] == 0.35


def test_where_it_agrees_the_map_is_the_mean_of_all_three(
    spot: ModelRunner, bright: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combined, "AGREES", ALWAYS)
    found = trace(spot, bright)
    maps = [descent(spot, bright), steady(spot, bright), scaled(averaged(spot, bright).map)]
    np.testing.assert_allclose(found.saliency.map, np.mean(maps, axis=0), atol=1e-6)
    facts = found.saliency.diagnostics
    assert facts["averaged_share"] == pytest.approx(1 / 3)
    assert facts["iterations"] == 20
    quick = run(spot, ep_3d(bright, parameters(preset="quick")))
    assert facts["areas"] == quick.diagnostics["areas"]
    kept = run(spot, combined._kept(bright, parameters(), torch.from_numpy(found.saliency.map)))
    assert facts["kept"] == pytest.approx(kept, abs=1e-3)
    sigma = combined.SPOT * SHAPE[1]
    places = feather(torch.from_numpy(found.saliency.map)[None], sigma)[0]
    kept = run(spot, combined._kept(bright, parameters(), places))
    assert facts["kept_blurred"] == pytest.approx(kept, abs=1e-3)


def test_between_both_its_share_grows_with_its_agreement(
    spot: ModelRunner, bright: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = [descent(spot, bright), steady(spot, bright), scaled(averaged(spot, bright).map)]
    agreement = np.corrcoef(maps[0].ravel(), maps[1].ravel())[0, 1]
    monkeypatch.setattr(combined, "AGREES", (agreement - 0.05, agreement + 0.15))  # a quarter
    found = trace(spot, bright)
    expected = 0.75 * maps[2] + 0.25 * np.mean(maps, axis=0)
    np.testing.assert_allclose(found.saliency.map, expected, atol=1e-4)
    facts = found.saliency.diagnostics
    assert facts["descent_agreement"] == pytest.approx(agreement, abs=1e-5)
    assert facts["averaged_share"] == pytest.approx(1 - 0.25 * 2 / 3, abs=1e-4)


def test_a_map_without_differences_agrees_with_none() -> None:
    field = torch.rand(SHAPE)
    assert combined._correlation(field, torch.ones(SHAPE)) == 0
    assert combined._correlation(field, 2 * field + 1) == pytest.approx(1, abs=1e-6)


def test_its_progress_counts_all_searches_and_its_passes_are_foreseen(
    spot: ModelRunner, bright: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combined, "AGREES", ALWAYS)
    found = trace(spot, bright)
    check_progress(found, 20)
    assert found.clips == parameters().passes(SHAPE)


def check_progress(found: Trace, descent: int) -> None:
    """That each step is counted once; what is given up is taken from the total."""
    steps, totals = zip(*((each.step, each.of) for each in found.progress), strict=True)
    assert list(steps) == sorted(steps)
    assert steps[-1] == totals[-1] == RANDOM + descent + PASSES
    assert set(np.diff(steps)) == {0, 1, 3}
    whole = RANDOM + 20 + PASSES
    assert set(totals[: totals.index(totals[-1])]) <= {whole}
    assert totals[0] == whole


def test_a_partial_map_is_what_is_relied_on_so_far(
    spot: ModelRunner, bright: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combined, "AGREES", ALWAYS)
    few, _ = run(spot, random_worth(bright, parameters(), 3, Progress(0, 3)))
    random = steady(spot, bright)
    expected = {
        3: few.map,
        RANDOM: random,
        RANDOM + 12: random,
        20 + RANDOM + PASSES: (descent(spot, bright) + random) / 2,
    }
    partials = {each.step: each.partial for each in trace(spot, bright).progress}
    assert [step for step, each in partials.items() if each is None] == [0]
    for step, values in expected.items():
        partial = partials[step]
        assert partial is not None
        np.testing.assert_allclose(partial().map, values, atol=1e-6)
        assert partial().diagnostics["partial"] is True


@pytest.mark.parametrize("scores", ["softmax", "raw"])
@pytest.mark.parametrize("variant", ["preserve", "delete", "dual"])
def test_what_a_map_keeps_is_the_mean_over_ways_of_hiding(
    spot: ModelRunner, bright: Case, variant: str, scores: str
) -> None:
    case = dataclasses.replace(bright, card=dataclasses.replace(bright.card, scores=scores))
    runner = ModelRunner(spot.network, "cpu", scores=case.scores)
    inside = torch.zeros(SHAPE)
    inside[BOX] = 1
    given = parameters(variant=variant, area=inside.mean().item())
    widths = [combined.Ways(case, "fade")[index].width for index in range(combined.CHECKS)]
    assert min(widths) == 0 < max(widths)
    shares = []
    for width in widths:
        seen = feather(inside[None], width)[0][BOX].mean().item()
        preserved, deleted = (_share(each, scores) for each in (seen, 1 - seen))
        shares += [preserved] if variant != "delete" else []
        shares += [1 - deleted] if variant != "preserve" else []
    found = run(runner, combined._kept(case, given, inside))
    assert found == pytest.approx(np.mean(shares), abs=1e-4)
    assert found > 0.5
    assert run(runner, combined._kept(case, given, 1 - inside)) < 0.1


def _share(seen: float, scores: str) -> float:
    """What `spot` says of a clip whose box has this mean, over what it says of a bright one."""
    if scores == "raw":
        return seen
    return (1 + math.exp(-4)) / (1 + math.exp(-8 * (seen - 0.5)))


def test_raw_scores_that_the_clip_does_not_raise_keep_nothing_that_can_be_told(
    bright: Case,
) -> None:
    case = dataclasses.replace(bright, card=dataclasses.replace(bright.card, scores="raw"))
    runner = ModelRunner(Spot(BOX, scale=-8.0), "cpu", scores=case.scores)
    found = trace(runner, case)
    assert found.saliency.diagnostics["kept"] is None
    assert found.saliency.diagnostics["kept_blurred"] is None


def test_a_descent_of_few_steps_is_not_given_up(
    toy: ModelRunner, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(combined, "GIVEN_UP", 2)
    found = trace(toy, case, iterations=4)
    assert {each.of for each in found.progress} == {3 + 4 + 8}
