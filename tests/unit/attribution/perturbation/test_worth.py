"""The search by averaged worth, on networks whose evidence is known."""

from __future__ import annotations

import dataclasses
from math import exp
from typing import Any

import numpy as np
import pytest
import torch
from tests.unit.attribution.perturbation.conftest import BOX, SHAPE

from videovisual.attribution import catalogue
from videovisual.attribution.method import Case
from videovisual.attribution.perturbation import worth
from videovisual.attribution.perturbation.hiding import ramp_to
from videovisual.attribution.perturbation.methods import ep_3d
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import WorthPreset
from videovisual.attribution.perturbation.worth import Average, _Change, _WorthSearch, search
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Attribution, Objective
from videovisual.engine.progress import Progress
from videovisual.errors import InvalidParameter
from videovisual.saliency import Map, Saliency

PRESET = WorthPreset(cells=12)
FEW = torch.ones(1, 1, 1, 1)


def work(case: Case, preset: WorthPreset = PRESET, **given: Any) -> Attribution:
    return search(case, PerturbationParameters.model_validate(given), preset)


@pytest.mark.parametrize("variant", ["preserve", "delete", "dual"])
def test_it_finds_the_evidence(spot: ModelRunner, bright: Case, variant: str) -> None:
    given = {"area": 0.05, "iterations": 30, "variant": variant, "perturbation": "fade"}
    saliency = run(spot, work(bright, **given))
    inside = np.zeros(SHAPE, dtype=bool)
    inside[BOX] = True
    assert saliency.map[inside].mean() > 5 * saliency.map[~inside].mean()
    assert saliency.map.max() == pytest.approx(1)
    assert saliency.map.min() >= 0


def test_in_a_short_clip_evidence_shows_in_neighbouring_frames_too(
    spot: ModelRunner, bright: Case
) -> None:
    found = run(spot, work(bright, area=0.05, iterations=30, perturbation="fade")).map
    frames, rows, columns = BOX
    before, inside = frames.start - 1, found[frames, rows, columns].mean()
    assert found[before, rows, columns].mean() > inside / 4


def test_cells_are_at_most_seven_pixels_apart_in_frames_with_room_for_more() -> None:
    preset = WorthPreset()
    assert [preset.cells_of(height) for height in (28, 112, 182, 224)] == [16, 16, 26, 32]


def test_cells_of_two_frames_reach_no_others() -> None:
    assert [PRESET.reach_of(length) for length in (8, 15, 16, 48)] == [2, 2, 0, 0]
    assert [PRESET.frames_of(length) for length in (8, 15, 16, 48)] == [1, 1, 2, 2]


@pytest.mark.parametrize("variant", ["preserve", "dual"])
def test_several_areas_at_once_equal_each_area_alone(
    toy: ModelRunner, case: Case, variant: str
) -> None:
    given = {"iterations": 12, "variant": variant}
    alone = [run(toy, work(case, area=area, **given)) for area in (0.1, 0.4)]
    together = run(toy, work(case, area=[0.1, 0.4], **given))
    np.testing.assert_allclose(
        together.map, np.mean([each.map for each in alone], axis=0), atol=1e-3
    )


def test_the_map_is_the_same_whatever_the_seed(toy: ModelRunner, case: Case) -> None:
    seeded = [dataclasses.replace(case, seed=seed) for seed in (1, 2)]
    first, second = (run(toy, work(each, iterations=10)).map for each in seeded)
    np.testing.assert_array_equal(first, second)


def test_random_masks_come_first_then_the_area_shrinks(toy: ModelRunner, case: Case) -> None:
    job, shares = work(case, area=0.2, iterations=30, perturbation="fade"), []
    probe = next(job)
    while probe.gradient or not shares:
        if probe.gradient:
            assert probe.objective is Objective.LOG_PROBABILITY
            shares.append((probe.clips == 0).float().mean().item())
        probe = job.send(toy.evaluate(probe))
    job.close()
    hidden = np.array(shares[10:])[::5]  # iterations with a hard edge
    assert len(shares) == 30
    assert (np.diff(hidden) >= -1e-6).all()
    assert hidden[-1] == pytest.approx(1 - 0.2 * exp(PRESET.ramp / 2), abs=0.01)


def test_it_goes_on_from_an_average_without_random_masks(toy: ModelRunner, case: Case) -> None:
    parameters = PerturbationParameters(area=(0.2,), iterations=6)
    other = Average(torch.randn(1, *_WorthSearch(case, parameters, PRESET).cells.shape), FEW, 4)
    heavy = dataclasses.replace(other, weight=1e6 * other.weight)
    found = [run(toy, search(case, parameters, PRESET, start=each)) for each in (other, heavy)]
    itself = _WorthSearch(case, parameters, PRESET)
    before = itself.shares(other.worth)[0]
    assert not np.allclose(found[0].map, before, atol=1e-3)
    np.testing.assert_allclose(found[1].map, before, atol=1e-3)
    job, clips = search(case, parameters, PRESET, start=other), []
    probe = next(job)
    while probe.gradient or not clips:
        clips += [probe.clips] if probe.gradient else []
        probe = job.send(toy.evaluate(probe))
    job.close()
    assert len(clips) == 6
    shown = ramp_to(itself.cells.enlarge(other.worth), [1.0], PRESET.ramp)
    way = itself.ways[other.count]
    torch.testing.assert_close(clips[0], way.clips(case.clip, shown))


def test_an_average_weighs_each_way() -> None:
    cells, weights = torch.randn(3, 2, 1, 4, 4), torch.rand(3, 2, 1, 1, 1)
    average = Average(torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 1, 1), 0).expand(2)
    for each, weight in zip(cells, weights, strict=True):
        average = average.add(_Change(each, weight, [], torch.float32))
    torch.testing.assert_close(average.worth, (cells * weights).sum(dim=0) / weights.sum(dim=0))
    torch.testing.assert_close(average.weight, weights.sum(dim=0))
    assert average.count == 3


def test_restarts_share_each_pass_until_one_search_goes_on(toy: ModelRunner, case: Case) -> None:
    preset = dataclasses.replace(PRESET, restarts=3, apart=5 / 8)
    parameters = PerturbationParameters(area=(0.1, 0.2), iterations=16, perturbation="fade")
    itself = _WorthSearch(case, parameters, preset)
    start = Average(torch.randn(1, *itself.cells.shape), FEW, 4)
    job, clips = search(case, parameters, preset, start=start), []
    probe = next(job)
    while probe.gradient or not clips:
        clips += [probe.clips] if probe.gradient else []
        probe = job.send(toy.evaluate(probe))
    job.close()
    assert [len(each) for each in clips] == [6] * 10 + [2] * 6
    assert sum(map(len, clips)) == 2 * preset.passes_of(16)
    shown = ramp_to(itself.cells.enlarge(start.worth), [1.0], PRESET.ramp)
    for restart, pair in enumerate(clips[0].split(2)):
        way = itself.ways[start.count + 7 * restart]
        torch.testing.assert_close(pair, way.clips(case.clip, shown).expand_as(pair))
    for iteration in (6, 11):  # hard edges, the first right after the area's last fall
        shares = (clips[iteration][:2] != 0).float().mean(dim=(1, 2, 3, 4)).tolist()
        assert shares == pytest.approx([area * exp(PRESET.ramp / 2) for area in (0.1, 0.2)], 0.05)


def test_restarts_that_do_not_differ_are_one_search(
    toy: ModelRunner, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(restarts: int) -> Map:
        preset = dataclasses.replace(PRESET, restarts=restarts, apart=5 / 8)
        return run(toy, work(case, preset, area=[0.1, 0.3], iterations=16)).map

    one = found(1)
    assert not np.allclose(found(3), one, atol=1e-2)
    monkeypatch.setattr(worth, "BETWEEN", 20)  # four fills and five edges
    np.testing.assert_allclose(found(3), one, atol=1e-3)


def test_what_is_joined_weighs_each_way_of_each_restart() -> None:
    cells, weights = torch.randn(6, 1, 4, 4), torch.rand(6, 1, 1, 1)
    joined = Average(cells, weights, 5).join(3)
    shares = weights[::2] / weights[::2].sum()
    torch.testing.assert_close(joined.worth[:1], (cells[::2] * shares).sum(dim=0, keepdim=True))
    torch.testing.assert_close(joined.weight[1:], weights[1::2].mean(dim=0, keepdim=True))
    assert joined.count == 5


def test_a_way_weighs_less_the_more_it_exceeds_the_clip_s_own_probability(
    toy: ModelRunner, case: Case
) -> None:
    shown, parameters = torch.ones(1, *SHAPE), PerturbationParameters()

    def weight(above: float) -> float:
        with torch.no_grad():
            own = toy.network(case.clip[None]).log_softmax(dim=1)[0, case.target].item()
        work = _WorthSearch(case, parameters, PRESET)
        job = work.change(shown, [work.ways[0]], [own - above], Progress(0, 1))
        with pytest.raises(StopIteration) as done:
            job.send(toy.evaluate(next(job)))
        found: float = done.value.value.weight.item()
        return found

    assert weight(-2) == pytest.approx(1, abs=1e-3)
    assert weight(0) == pytest.approx(0.5, abs=1e-3)
    assert weight(2) == pytest.approx(1e-3)


def test_the_diagnostics_are_what_the_network_says(toy: ModelRunner, case: Case) -> None:
    saliency = run(toy, work(case, area=0.2, iterations=12, perturbation="fade"))
    facts = saliency.diagnostics
    (area,) = facts["areas"]
    cut = torch.zeros(saliency.map.size)
    cut[torch.from_numpy(saliency.map).flatten().topk(round(0.2 * cut.numel())).indices] = 1
    with torch.no_grad():
        clips = torch.stack([case.clip, 0 * case.clip, case.clip * cut.view(SHAPE)])
        whole, hidden, hard = toy.network(clips).softmax(dim=1)[:, case.target].tolist()
    assert facts["probability_clip"] == pytest.approx(whole, abs=1e-5)
    assert facts["probability_hidden"] == pytest.approx(hidden, abs=1e-5)
    assert area["probability_preserve"]["hard"] == pytest.approx(hard, abs=1e-4)
    assert area["achieved_area"] == pytest.approx(0.2, abs=0.01)
    assert facts["iterations"] == len(facts["course"]) == 12
    assert facts["partial"] is False


def test_every_iteration_has_a_partial_map(toy: ModelRunner, case: Case) -> None:
    job = work(case, iterations=4)
    partials: list[Saliency] = []
    probe = next(job)
    try:
        while True:
            assert probe.progress is not None
            if probe.progress.partial is not None:
                partials.append(probe.progress.partial())
            probe = job.send(toy.evaluate(probe))
    except StopIteration:
        pass
    assert [each.diagnostics["iterations"] for each in partials] == [1, 2, 3, 4]
    assert all(each.diagnostics["partial"] for each in partials)
    assert all(each.map.shape == SHAPE for each in partials)


def test_only_an_averaged_search_is_by_worth(toy: ModelRunner, case: Case) -> None:
    def area_of(preset: str) -> dict[str, Any]:
        parameters = PerturbationParameters.model_validate({"preset": preset, "iterations": 3})
        (area,) = run(toy, ep_3d(case, parameters)).diagnostics["areas"]
        return dict(area)

    assert "objective" in area_of("quick")
    assert "objective" not in area_of("averaged")


@pytest.mark.parametrize("method", ["ep_2d", "step"])
def test_other_methods_refuse_it(method: str) -> None:
    with pytest.raises(InvalidParameter, match="averaged"):
        catalogue.find(method).parse({"preset": "averaged"})
