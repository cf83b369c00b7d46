from __future__ import annotations

import numpy as np
import numpy.typing as npt

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
