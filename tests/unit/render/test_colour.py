from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from videovisual.render.colour import DIVERGING, SEQUENTIAL, signed_colours, to_srgb


def lightness(ramp: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """CIE 1976 L*: another measure than the one that the ramps are made with."""
    encoded = ramp / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(luminance) - 16


def test_the_sequential_ramp_gets_lighter_at_every_step_and_evenly() -> None:
    course = lightness(SEQUENTIAL)
    assert course[0] < 10
    assert course[-1] > 90
    eighths = np.diff(course[np.linspace(0, 255, 9).astype(int)])
    assert eighths.min() > 0.5 * eighths.mean()
    assert eighths.max() < 1.5 * eighths.mean()


def test_both_sides_of_the_diverging_ramp_are_equally_light() -> None:
    course = lightness(DIVERGING)
    against, to = course[127:0:-1], course[129:]
    assert np.abs(against - to).max() < 8
    assert (DIVERGING[128] > 240).all()
    assert (np.diff(to) < 1).all()
    assert (signed_colours(np.array([0.0])) == DIVERGING[128]).all()


def test_grey_keeps_no_hue() -> None:
    grey = to_srgb(np.array([0.5]), np.array([0.0]), np.array([123.0]))
    assert np.ptp(grey) == 0


MACHADO = {
    "protanopia": (
        (0.152286, 1.052583, -0.204868),
        (0.114503, 0.786281, 0.099216),
        (-0.003882, -0.048116, 1.051998),
    ),
    "deuteranopia": (
        (0.367322, 0.860646, -0.227968),
        (0.280085, 0.672501, 0.047413),
        (-0.011820, 0.042940, 0.968881),
    ),
    "tritanopia": (
        (1.255528, -0.076749, -0.178779),
        (-0.078411, 0.930809, 0.147602),
        (0.004733, 0.691367, 0.303900),
    ),
}
"""Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
deficiency", 2009: linear sRGB as it looks to the colour-blind, at the greatest severity."""

XYZ = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)


def seen(ramp: npt.NDArray[np.uint8], kind: str) -> npt.NDArray[np.float64]:
    """The ramp as it looks to a colour-blind reader, in CIE L*a*b*."""
    encoded = ramp / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    simulated = (linear @ np.transpose(MACHADO[kind])).clip(0, 1)
    ratio = simulated @ np.transpose(XYZ) / np.sum(XYZ, axis=1)
    x, y, z = np.moveaxis(
        np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@pytest.mark.parametrize("kind", MACHADO)
def test_the_colour_blind_can_order_the_sequential_ramp(kind: str) -> None:
    course = seen(SEQUENTIAL, kind)[:, 0]
    assert np.diff(course).min() > 0
    assert np.diff(course[::17]).min() > 2.5
    assert np.ptp(course) > 80


@pytest.mark.parametrize("kind", MACHADO)
def test_the_colour_blind_can_tell_the_sides_of_the_diverging_ramp(kind: str) -> None:
    course = seen(DIVERGING, kind)
    against, to = course[127:0:-1], course[129:]
    for side in (against, to):
        assert np.diff(side[::16, 0]).max() < 0
    apart = np.linalg.norm(against - to, axis=1)
    assert apart[-1] > 60
    assert (apart[32:] > 20).all()


def test_the_simulation_finds_a_ramp_that_the_colour_blind_can_not_read() -> None:
    level = np.linspace(0, 1, 128)
    red = to_srgb(0.97 - 0.45 * level, 0.24 * level, np.full(128, 25.0))
    green = to_srgb(0.97 - 0.45 * level, 0.24 * level, np.full(128, 115.0))
    apart = np.linalg.norm(seen(red, "deuteranopia") - seen(green, "deuteranopia"), axis=1)
    assert apart.max() < 60
