from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.frames import blocks
from tests.unit.render.made import panel, saliency

from videovisual import render
from videovisual.saliency import Polarity, Saliency


def test_the_heat_lies_where_the_map_is() -> None:
    drawn = panel()
    change = np.abs(
        render.overlay(drawn.saliency, drawn.frames)[:, 10:50, 20:60].astype(int)
        - drawn.frames[:, 10:50, 20:60]
    ).sum(axis=-1)
    assert change[2, 12:18, 12:18].mean() > 100
    assert change[2, 30:, 30:].max() <= 3
    assert change[0].max() <= 3


def test_outside_the_crop_is_dimmed_and_the_crop_outlined() -> None:
    drawn = panel()
    out = render.overlay(drawn.saliency, drawn.frames)
    dimmed = (drawn.frames * 0.45).astype(np.uint8)
    np.testing.assert_array_equal(out[:, :9], dimmed[:, :9])
    np.testing.assert_array_equal(out[:, :, 61:], dimmed[:, :, 61:])
    for line in (out[:, 9, 19:61], out[:, 50, 19:61], out[:, 9:51, 19], out[:, 9:51, 60]):
        assert (line == 235).all()


def test_the_crop_follows_frames_of_another_size() -> None:
    made = saliency()
    half = blocks(6, 30, 46)
    out = render.overlay(made, half)
    np.testing.assert_array_equal(out[:, :3], (half[:, :3] * 0.45).astype(np.uint8))
    np.testing.assert_array_equal(out[0, 6:24, 11:29], half[0, 6:24, 11:29])


def test_signs_have_their_own_colours() -> None:
    colour, _ = render.heat(panel(signed=True).saliency)
    red, blue = colour[2, 6, 6].astype(int), colour[3, 6, 6].astype(int)
    assert red[0] > red[2] + 50
    assert blue[2] > blue[0] + 50


@pytest.mark.parametrize(("polarity", "sign"), [("positive", 1), ("negative", -1)])
def test_one_side_of_a_signed_map_keeps_its_colours(polarity: Polarity, sign: int) -> None:
    whole = saliency(signed=True)
    side = whole.polarised(polarity)
    told = replace(side, provenance={**side.provenance, "polarity": polarity})
    heat = render.Heat.of(told)
    assert heat.signed
    assert heat.level.sum() * sign > 0
    assert (heat.level * sign >= 0).all()


@pytest.mark.parametrize("value", [0.0, 0.4, np.nan])
def test_a_flat_map_draws_nothing(value: float) -> None:
    flat = Saliency(np.full((2, 4, 4), value, dtype=np.float32), signed=False)
    frames = blocks(2, 32, 32)
    np.testing.assert_array_equal(render.overlay(flat, frames), frames)


def test_full_colour_stands_for_what_the_legend_says() -> None:
    values = np.linspace(2, 3, 4 * 20 * 20, dtype=np.float32).reshape(4, 20, 20)
    heat = render.Heat.of(Saliency(values, signed=False, provenance={"method": "rise"}))
    assert heat.low == pytest.approx(2)
    assert heat.full == pytest.approx(2.995, abs=1e-3)
    assert heat.unit == "probability"
    assert (heat.level == 1).mean() == pytest.approx(0.005, abs=2e-3)
    signed = render.Heat.of(Saliency(values - 2.25, signed=True))
    assert signed.low == 0
    assert signed.level.min() == pytest.approx(-0.25 / signed.full, rel=0.02)


def test_smoothing_keeps_the_mass_and_the_place() -> None:
    values = np.zeros((1, 200, 200), dtype=np.float32)
    values[0, 50, 120] = 1
    smoothed = render.smooth(values)
    assert smoothed.sum() == pytest.approx(1, rel=1e-4)
    assert np.unravel_index(smoothed.argmax(), smoothed.shape) == (0, 50, 120)
    assert smoothed.max() == pytest.approx(1 / (2 * np.pi * 2.0**2), rel=0.02)
