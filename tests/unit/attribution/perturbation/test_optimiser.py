"""The search against a plain reference, and on a network whose evidence is known."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
from tests.reference import textbook
from tests.unit.attribution.perturbation.conftest import BOX, SHAPE

from videovisual.attribution.method import Case
from videovisual.attribution.perturbation.mask import SmoothMasks
from videovisual.attribution.perturbation.methods import PRESETS
from videovisual.attribution.perturbation.objective import MaskObjective
from videovisual.attribution.perturbation.optimiser import Best, optimise
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import Preset
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Attribution, Objective
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency

REFERENCE = {method: presets["reference"] for method, presets in PRESETS.items()}
EP_3D = REFERENCE["ep_3d"]


def with_early_core(preset: Preset) -> Preset:
    """The same search with an earlier start of the core term."""
    goal = dataclasses.replace(preset.goal, core_from=min(preset.goal.core_from, 4))
    return dataclasses.replace(preset, goal=goal)


def with_larger_steps(preset: Preset) -> Preset:
    """The same goal in fewer and larger steps, for the simple network `spot`."""
    goal = dataclasses.replace(preset.goal, score=100.0, core_from=20 if preset.goal.core else 0)
    return dataclasses.replace(preset, goal=goal, rate=0.2)


def work(case: Case, preset: Preset = EP_3D, **given: Any) -> Attribution:
    return optimise(case, PerturbationParameters.model_validate(given), preset)


def probabilities(runner: ModelRunner, clip: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        logits: torch.Tensor = runner.network(clip[None])
    return logits.softmax(dim=1)[0]


@pytest.mark.parametrize("perturbation", ["blur", "fade"])
@pytest.mark.parametrize("variant", ["preserve", "delete", "dual"])
@pytest.mark.parametrize("method", REFERENCE)
def test_the_search_equals_the_published_one(
    toy: ModelRunner, case: Case, method: str, variant: str, perturbation: str
) -> None:
    preset = with_early_core(REFERENCE[method])
    given = {"area": 0.2, "iterations": 8, "variant": variant, "perturbation": perturbation}
    ours = run(toy, work(case, preset, **given))
    theirs = textbook.search(toy.network, case, preset, **given, generator=SmoothMasks)
    assert ours.map.min() < 0.95
    # With the same masks, since the last bit of a value may decide which pixels are largest.
    assert np.abs(ours.map - theirs.numpy()).mean() < 1e-4


@pytest.mark.parametrize(
    ("method", "variant"),
    [
        ("ep_2d", "preserve"),
        ("ep_3d", "preserve"),
        ("ep_3d", "delete"),
        ("ep_3d", "dual"),
        ("step", "preserve"),
    ],
)
def test_it_finds_the_evidence(spot: ModelRunner, bright: Case, method: str, variant: str) -> None:
    saliency = run(
        spot,
        work(
            bright,
            with_larger_steps(REFERENCE[method]),
            area=0.08,
            iterations=100,
            variant=variant,
            perturbation="fade",
        ),
    )
    inside = np.zeros(SHAPE, dtype=bool)
    inside[BOX] = True
    if method == "ep_2d":  # which must show as much of the other frames
        inside, saliency = inside[1:3], dataclasses.replace(saliency, map=saliency.map[1:3])
    assert saliency.map[inside].mean() > 5 * saliency.map[~inside].mean()


@pytest.mark.parametrize("area", [0.05, 0.1, 0.3])
def test_the_visible_mask_has_the_area(spot: ModelRunner, bright: Case, area: float) -> None:
    saliency = run(
        spot, work(bright, with_larger_steps(EP_3D), area=area, iterations=100, perturbation="fade")
    )
    (facts,) = saliency.diagnostics["areas"]
    assert facts["area"] == area
    assert facts["achieved_area"] == pytest.approx(saliency.map.mean(), abs=1e-6)
    assert facts["achieved_area"] == pytest.approx(area, abs=0.03)


def test_each_frame_has_the_area_in_2d(spot: ModelRunner, bright: Case) -> None:
    preset = with_larger_steps(REFERENCE["ep_2d"])
    saliency = run(spot, work(bright, preset, area=0.1, iterations=100, perturbation="fade"))
    np.testing.assert_allclose(saliency.map.mean(axis=(1, 2)), 0.1, atol=0.04)


@pytest.mark.parametrize("variant", ["preserve", "delete", "dual"])
def test_the_diagnostics_are_what_the_network_says_of_the_cut_clip(
    toy: ModelRunner, case: Case, variant: str
) -> None:
    given = {"area": 0.2, "iterations": 15, "variant": variant, "perturbation": "fade"}
    saliency = run(toy, work(case, **given))
    (facts,) = saliency.diagnostics["areas"]
    soft = torch.from_numpy(saliency.map)
    largest = soft.flatten().topk(round(0.2 * soft.numel())).indices
    hard = torch.zeros(soft.numel()).index_fill(0, largest, 1).view_as(soft)
    games = {"preserve": ["preserve"], "delete": ["delete"], "dual": ["preserve", "delete"]}
    for game in ("preserve", "delete"):
        reported = facts.get(f"probability_{game}")
        assert (reported is not None) == (game in games[variant])
        if reported is None:
            continue
        for name, mask in (("soft", soft), ("hard", hard)):
            shown = mask if game == "preserve" else 1 - mask
            expected = probabilities(toy, case.clip * shown)[case.target].item()
            assert reported[name] == pytest.approx(expected, abs=1e-5)
    whole, hidden = (probabilities(toy, clip)[case.target] for clip in (case.clip, 0 * case.clip))
    assert saliency.diagnostics["probability_clip"] == pytest.approx(whole.item(), abs=1e-5)
    assert saliency.diagnostics["probability_hidden"] == pytest.approx(hidden.item(), abs=1e-5)


@pytest.mark.parametrize("method", REFERENCE)
def test_several_areas_at_once_equal_each_area_alone(
    toy: ModelRunner, case: Case, method: str
) -> None:
    preset = with_early_core(REFERENCE[method])
    areas = [0.05, 0.2, 0.4]
    alone = [run(toy, work(case, preset, area=area, iterations=20)) for area in areas]
    together = run(toy, work(case, preset, area=areas, iterations=20))
    mean = np.mean([each.map for each in alone], axis=0)
    # A search amplifies rounding, which differs with the number of masks at once.
    np.testing.assert_allclose(together.map, mean, atol=1e-3)
    for facts, each in zip(together.diagnostics["areas"], alone, strict=True):
        (own,) = each.diagnostics["areas"]
        assert facts["area"] == own["area"]
        assert facts["achieved_area"] == pytest.approx(own["achieved_area"], abs=1e-4)
        assert facts["probability_preserve"] == pytest.approx(own["probability_preserve"], abs=1e-4)


def test_each_area_keeps_its_own_best() -> None:
    early, late = torch.zeros(3, 1, 1, 1), torch.ones(3, 1, 1, 1)
    best = Best(early, [1.0, 5.0, 4.0]).updated(late, [3.0, 2.0, float("nan")])
    assert best.coarse.flatten().tolist() == [0, 1, 0]
    assert best.objective == [1, 2, 4]
    assert best.updated(late, [2.0, 3.0, 5.0]) is best
    assert best.updated(late, [0.0, 1.0, 3.0]).coarse is late


def until(runner: ModelRunner, job: Attribution, step: int) -> Progress:
    """Run a job up to the probe that follows `step` iterations, and close it there."""
    probe = next(job)
    while True:
        assert probe.progress is not None
        if probe.progress.step == step:
            job.close()
            return probe.progress
        probe = job.send(runner.evaluate(probe))


def test_a_stopped_search_has_the_best_map_so_far(spot: ModelRunner, bright: Case) -> None:
    given = {"area": 0.08, "iterations": 60, "perturbation": "fade"}
    preset = with_larger_steps(EP_3D)
    assert until(spot, work(bright, preset, **given), 0).partial is None
    stops = [until(spot, work(bright, preset, **given), step) for step in (1, 20, 50)]
    partials: list[Saliency] = []
    for stop in stops:
        assert stop.of == 60
        assert stop.partial is not None
        partials.append(stop.partial())  # still available after the job was closed
    for stop, saliency in zip(stops, partials, strict=True):
        facts = saliency.diagnostics
        assert facts["partial"] is True
        assert facts["iterations"] == stop.step
        assert saliency.map.shape == SHAPE
        assert facts["areas"][0]["objective"] == pytest.approx(min(facts["course"]), rel=0.5)
    objectives = [each.diagnostics["areas"][0]["objective"] for each in partials]
    assert objectives == sorted(objectives, reverse=True)
    assert objectives[-1] < 0.5 * objectives[0]
    assert run(spot, work(bright, preset, **given)).diagnostics["partial"] is False


def test_the_partial_map_is_that_of_the_lowest_objective(spot: ModelRunner, bright: Case) -> None:
    preset = dataclasses.replace(
        EP_3D, rate=3.0
    )  # so large that the first step raises the objective
    stop = until(spot, work(bright, preset, area=0.2, iterations=20, perturbation="fade"), 2)
    assert stop.partial is not None
    partial = stop.partial()
    first, second = partial.diagnostics["course"]
    assert first < second
    assert partial.diagnostics["areas"][0]["objective"] == pytest.approx(first)
    objective = MaskObjective(bright, PerturbationParameters(area=(0.2,)), preset)
    np.testing.assert_array_equal(partial.map, objective.masks(torch.ones(objective.cells)))


def test_the_reference_returns_its_last_mask_and_the_default_its_best(
    toy: ModelRunner, case: Case
) -> None:
    given = {"area": 0.2, "iterations": 10, "perturbation": "fade"}
    wild = dataclasses.replace(EP_3D, rate=3.0)
    last = run(toy, work(case, wild, **given))
    best = run(toy, work(case, dataclasses.replace(wild, last=False), **given))
    assert last.diagnostics["course"] == best.diagnostics["course"]
    assert not np.allclose(last.map, best.map)


def test_the_course_is_the_objective_of_every_iteration(toy: ModelRunner, case: Case) -> None:
    saliency = run(toy, work(case, area=0.2, iterations=130, perturbation="fade"))
    facts = saliency.diagnostics
    assert facts["iterations"] == 130
    assert facts["course_every"] == 2
    assert len(facts["course"]) == 65
    assert facts["course"][-1] < facts["course"][0]


def test_the_first_objective_is_that_of_the_whole_clip(toy: ModelRunner, case: Case) -> None:
    preset = EP_3D
    saliency = run(toy, work(case, area=0.2, iterations=1, perturbation="fade"))
    objective = MaskObjective(case, PerturbationParameters(area=(0.2,)), preset)
    mask = objective.masks(torch.ones(1, *objective.cells))
    score = -probabilities(toy, case.clip * mask[0])[case.target].log()
    area = textbook.sorted_distance(mask.reshape(1, -1), 0.2)
    expected = preset.goal.score * score + preset.goal.area * area
    assert saliency.diagnostics["course"] == [pytest.approx(expected.item(), rel=1e-4)]


def test_a_dual_search_evaluates_both_games_in_each_iteration(toy: ModelRunner, case: Case) -> None:
    job = work(case, area=0.2, iterations=2, variant="dual")
    probes = []
    probe = next(job)
    for _ in range(4):
        probes.append((probe.objective, probe.gradient))
        probe = job.send(toy.evaluate(probe))
    job.close()
    games = [(Objective.LOG_PROBABILITY, True), (Objective.LOG_COMPLEMENT, True)]
    assert probes == games * 2


def test_the_mean_mask_orders_pixels_that_the_mask_leaves_equal(
    spot: ModelRunner, bright: Case
) -> None:
    plain, trailing = (
        run(
            spot,
            work(
                bright,
                dataclasses.replace(with_larger_steps(EP_3D), mean_share=share),
                iterations=30,
            ),
        ).map
        for share in (0.0, 0.1)
    )
    mean_mask = (trailing - 0.9 * plain) / 0.1
    assert mean_mask.min() >= -1e-5
    assert mean_mask.max() <= 1 + 1e-5
    inside = np.zeros(SHAPE, np.bool_)
    inside[BOX] = True
    assert mean_mask[inside].mean() > 1.5 * mean_mask[~inside].mean()
    hidden = plain < plain.min() + 1e-6
    assert len(np.unique(trailing[hidden])) > len(np.unique(plain[hidden]))
