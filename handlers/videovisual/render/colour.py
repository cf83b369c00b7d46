"""Perceptually even colour ramps, made in OKLab.

Björn Ottosson, "A perceptual color space for image processing", 2020,
https://bottosson.github.io/posts/oklab/. Lightness carries the value, because it is distinguished
best, also by the colour-blind and in greyscale print. Hue is redundant.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Colours = npt.NDArray[np.uint8]

STEPS = 256

_TO_LMS = np.array(
    [
        [1.0, 0.3963377774, 0.2158037573],
        [1.0, -0.1055613458, -0.0638541728],
        [1.0, -0.0894841775, -1.2914855480],
    ]
)
_TO_LINEAR = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)

_FADES = 200
"""Steps in which the chroma of a colour outside of sRGB is reduced until the colour fits."""


def to_srgb(lightness: Floats, chroma: Floats, hue: Floats) -> Colours:
    """Convert colours to sRGB, with as much of the chroma as sRGB can show.

    Args:
        lightness: in [0, 1], any shape.
        chroma: from 0 (grey) to about 0.32.
        hue: in degrees: 25 red, 90 yellow, 255 blue.

    Returns:
        uint8 [..., 3].
    """
    angle = np.radians(hue)
    linear = np.zeros((*np.shape(lightness), 3))
    shown = np.zeros(np.shape(lightness), dtype=bool)
    for fade in np.linspace(1, 0, _FADES):
        kept = chroma * fade
        lab = np.stack([lightness, kept * np.cos(angle), kept * np.sin(angle)], axis=-1)
        tried = (lab @ _TO_LMS.T) ** 3 @ _TO_LINEAR.T
        fits = (tried > -1e-4).all(axis=-1) & (tried < 1 + 1e-4).all(axis=-1) & ~shown
        linear[fits] = tried[fits]
        shown |= fits
    linear = linear.clip(0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (255 * encoded).round().astype(np.uint8)


def _sequential() -> Colours:
    level = np.linspace(0, 1, STEPS)
    hue = np.interp(level, [0, 0.35, 0.65, 1], [285, 350, 405, 465])
    chroma = np.interp(level, [0, 0.15, 0.5, 0.8, 1], [0.05, 0.15, 0.21, 0.18, 0.12])
    return to_srgb(0.16 + 0.8 * level, chroma, hue)


def _diverging() -> Colours:
    level = np.linspace(-1, 1, STEPS - 1)
    size = np.abs(level)
    half = to_srgb(0.97 - 0.45 * size, 0.24 * size, np.where(level < 0, 258.0, 25.0))
    return np.concatenate([half[:1], half])


SEQUENTIAL = _sequential()
"""uint8 [256, 3]: dark violet over red to pale yellow, for unsigned maps."""

DIVERGING = _diverging()
"""uint8 [256, 3]: blue (against the target) over white to red (for it), equally light on both
sides; white is entry 128."""


def colours(values: Floats, ramp: Colours) -> Colours:
    """Values in [0, 1] of any shape → uint8 [..., 3]."""
    return ramp[(np.clip(values, 0, 1) * (len(ramp) - 1)).round().astype(np.intp)]


def signed_colours(values: Floats) -> Colours:
    """Values in [-1, 1] of any shape → uint8 [..., 3] of the diverging ramp; 0 is its white."""
    return DIVERGING[signed_levels(values)]


def signed_levels(values: Floats) -> Colours:
    """Values in [-1, 1] → uint8 indices into the diverging ramp: 1 to 255, 128 for zero."""
    return (128 + 127 * np.clip(values, -1, 1)).round().astype(np.uint8)
