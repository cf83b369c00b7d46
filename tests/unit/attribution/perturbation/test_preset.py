"""The presets: the published settings and the default ones."""

from __future__ import annotations

import dataclasses

import pytest

from videovisual import zoo
from videovisual.attribution.perturbation.mask import INVERSE_TEMPERATURE
from videovisual.attribution.perturbation.methods import PRESETS
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import Goal, quick_preset, reference_preset
from videovisual.attribution.perturbation.pyramid import LEVELS

REFERENCES = {
    "ep_2d": (PRESETS["ep_2d"]["reference"], Goal(score=100, area=300, by_frame=True)),
    "ep_3d": (PRESETS["ep_3d"]["reference"], Goal(score=100, area=300)),
    "step": (
        PRESETS["step"]["reference"],
        Goal(score=1, area=300, growth=1.0008668, core=300, core_from=100),
    ),
}


@pytest.mark.parametrize("method", REFERENCES)
def test_the_reference_preset_has_the_published_settings(method: str) -> None:
    preset, goal = REFERENCES[method]
    assert preset.goal == goal
    assert preset.iterations == 2000
    assert (preset.momentum, preset.dampening) == (0.9, 0.9)
    assert {preset.rate_at(iteration, 2000, 4096) for iteration in (0, 999, 1999)} == {0.05}
    assert preset.rate_at(0, 2000, 16384) == 0.05
    assert preset.bound is None
    assert preset.last
    assert preset.blur == 20
    assert not any(preset.should_stop(iteration, 2000, iteration) for iteration in range(2000))
    assert preset.grid(112) == (7, 11)
    assert preset.grid(224) == (7, 23)
    assert not preset.halves(224)
    assert preset.core(16, 112) == (7, 11)


def test_quick_masks_are_halved_where_cells_are_an_even_number_of_pixels_apart() -> None:
    preset = quick_preset(Goal(score=1.0))
    # Cells are 4, 7, 14 and 15 pixels apart.
    assert {height: preset.halves(height) for height in (64, 112, 224, 240)} == {
        64: True,
        112: False,
        224: True,
        240: False,
    }


def test_constants_are_as_published() -> None:
    assert (INVERSE_TEMPERATURE, LEVELS) == (20, 8)
    parameters = PerturbationParameters()
    assert (parameters.area, parameters.variant, parameters.perturbation) == (
        (0.1,),
        "preserve",
        "blur",
    )
    large = [card for card in zoo.cards().values() if card.input.height == 224]
    assert {card.blur_sigma for card in large} == {20}


def test_the_weights_of_a_goal_over_time() -> None:
    goal = REFERENCES["step"][1]
    weights = {iteration: goal.weights_at(iteration) for iteration in (0, 1, 99, 100, 800, 1999)}
    assert {core for iteration, (_, core) in weights.items() if iteration < 100} == {0}
    assert {core for iteration, (_, core) in weights.items() if iteration >= 100} == {300}
    assert weights[0][0] == 300
    assert weights[1][0] == pytest.approx(300 * 1.0008668)
    assert weights[800][0] == pytest.approx(600, rel=1e-3)
    assert REFERENCES["ep_3d"][1].weights_at(1999) == (300, 0)


@pytest.mark.parametrize("method", PRESETS)
def test_the_quick_preset_has_the_same_kind_of_mask(method: str) -> None:
    presets = PRESETS[method]
    assert presets["quick"].goal.by_frame == presets["reference"].goal.by_frame
    assert bool(presets["quick"].goal.core) == bool(presets["reference"].goal.core)


@pytest.mark.parametrize("height", [8, 32, 64, 112, 128, 224, 256])
@pytest.mark.parametrize("fine", [False, True])
def test_a_grid_fits_any_clip(height: int, fine: bool) -> None:
    preset = dataclasses.replace(reference_preset(Goal(score=1)), fine=fine)
    step, sigma = preset.grid(height)
    assert 1 <= step <= height / 8
    assert sigma > step / 2
    frames, side = preset.core(4, height)
    assert frames % 2 == 1
    assert frames <= 5
    assert 1 <= side <= height
