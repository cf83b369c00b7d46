"""The published settings, which `preset="reference"` reproduces; ours may change."""

from __future__ import annotations

import dataclasses
from types import ModuleType

import pytest

from videovisual import zoo
from videovisual.attribution.parameters import PerturbationParameters
from videovisual.attribution.perturbation import ep_2d, ep_3d, step
from videovisual.attribution.perturbation.mask import COLDNESS
from videovisual.attribution.perturbation.preset import Goal, published, quick
from videovisual.attribution.perturbation.pyramid import LEVELS

REFERENCES = {
    "ep_2d": (ep_2d.PRESETS["reference"], Goal(score=100, area=300, by_frame=True)),
    "ep_3d": (ep_3d.PRESETS["reference"], Goal(score=100, area=300)),
    "step": (
        step.PRESETS["reference"],
        Goal(score=1, area=300, growth=1.0008668, core=300, core_from=100),
    ),
}


@pytest.mark.parametrize("method", REFERENCES)
def test_the_reference_is_the_published_search(method: str) -> None:
    preset, goal = REFERENCES[method]
    assert preset.goal == goal
    assert preset.iterations == 2000
    assert (preset.momentum, preset.dampening) == (0.9, 0.9)
    assert {preset.rate_at(iteration, 2000, 4096) for iteration in (0, 999, 1999)} == {0.05}
    assert preset.rate_at(0, 2000, 16384) == 0.05
    assert preset.bound is None
    assert preset.last
    assert preset.blur == 20
    assert not any(preset.is_over(iteration, 2000, iteration) for iteration in range(2000))
    assert preset.grid(112) == (7, 11)
    assert preset.grid(224) == (7, 23)
    assert not preset.halves(224)
    assert preset.core(16, 112) == (7, 11)


def test_masks_of_quick_searches_are_computed_at_half_their_size_where_cells_allow() -> None:
    preset = quick(Goal(score=1.0))
    # Cells are 4, 7, 14 and 15 pixels apart.
    assert {height: preset.halves(height) for height in (64, 112, 224, 240)} == {
        64: True,
        112: False,
        224: True,
        240: False,
    }


def test_what_all_searches_share_is_as_published() -> None:
    assert (COLDNESS, LEVELS) == (20, 8)
    parameters = PerturbationParameters()
    assert (parameters.area, parameters.variant, parameters.perturbation) == (
        (0.1,),
        "preserve",
        "blur",
    )
    large = [card for card in zoo.cards().values() if card.input.crop == 224]
    assert {card.blur_sigma for card in large} == {20}


def test_the_weights_of_a_goal_over_time() -> None:
    goal = REFERENCES["step"][1]
    assert [goal.core_at(iteration) for iteration in (0, 99, 100, 1999)] == [0, 0, 300, 300]
    assert goal.area_at(0) == 300
    assert goal.area_at(1) == pytest.approx(300 * 1.0008668)
    assert goal.area_at(800) == pytest.approx(600, rel=1e-3)
    assert REFERENCES["ep_3d"][1].area_at(1999) == 300


@pytest.mark.parametrize("method", [ep_2d, ep_3d, step])
def test_the_default_seeks_the_same_kind_of_mask(method: ModuleType) -> None:
    presets = method.PRESETS
    assert presets["default"].goal.by_frame == presets["reference"].goal.by_frame
    assert bool(presets["default"].goal.core) == bool(presets["reference"].goal.core)


@pytest.mark.parametrize("height", [8, 32, 64, 112, 128, 224, 256])
@pytest.mark.parametrize("fine", [False, True])
def test_a_grid_fits_any_clip(height: int, fine: bool) -> None:
    preset = dataclasses.replace(published(Goal(score=1)), fine=fine)
    step, sigma = preset.grid(height)
    assert 1 <= step <= height / 8
    assert sigma > step / 2
    frames, side = preset.core(4, height)
    assert frames % 2 == 1
    assert frames <= 5
    assert 1 <= side <= height
