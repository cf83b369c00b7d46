"""A saliency map as levels of colour, and what those levels stand for."""

from dataclasses import dataclass

import numpy as np

from videovisual.clips.source import Frames
from videovisual.render.colour import SEQUENTIAL, Floats, colours, signed_colours
from videovisual.saliency import Map, Saliency

CLIPPED_SHARE = 0.005
DRAWN_BLUR = 0.01

UNITS = {
    "gradient": "logit per unit of input",
    "gradient_x_input": "logit a pixel",
    "integrated_gradients": "logit a pixel",
    "occlusion": "fall of the logit",
    "rise": "probability",
    "lime": "logit a superpixel",
    "frame_shapley": "logit a pixel",
    "ep_2d": "share shown",
    "step": "share shown",
}
"""Unit of a method's map, where its numbers are more than relative."""


@dataclass(frozen=True)
class Heat:
    """A map prepared for drawing.

    Attributes:
        level: float32 [T, h, w], the colour: in [0, 1], or in [-1, 1] if signed.
        signed: whether negative levels are evidence against the target.
        low, full: the map's values at levels 0 and 1.
        unit: unit of these values; empty if they are only relative.
    """

    level: Map
    signed: bool
    low: float
    full: float
    unit: str

    @classmethod
    def of(cls, saliency: Saliency) -> "Heat":
        """Levels of the smoothed map.

        Level 1 is the 99.5% quantile of |value - low|; larger values are clipped. Level 0 is zero
        in a signed map, else the least value, so that a map of large values does not hide the
        picture. One side of a signed map keeps that side's sign and colours.
        """
        drawn = smooth(np.nan_to_num(saliency.map))
        signed = saliency.signed or saliency.signed_map is not None
        if saliency.signed_map is not None and saliency.provenance.get("polarity") == "negative":
            drawn = -drawn
        low = 0.0 if signed else float(drawn.min())
        rise = drawn - np.float32(low)
        size = np.abs(rise)
        span = float(np.quantile(size, 1 - CLIPPED_SHARE)) or float(size.max())
        level = np.clip(rise / np.float32(span or 1.0), -1, 1)
        unit = UNITS.get(str(saliency.provenance.get("method")), "")
        if unit == "probability" and saliency.provenance.get("scores") == "raw":
            unit = "score"
        return cls(level, signed, low, low + span, unit)

    def colour(self) -> Frames:
        """The colour of each value: uint8 [T, h, w, 3]."""
        return self.colours(self.level)

    def colours(self, levels: Floats) -> Frames:
        """Levels of any shape to uint8 [..., 3]."""
        return signed_colours(levels) if self.signed else colours(levels, SEQUENTIAL)

    def strength(self) -> Map:
        """The opacity of each value: float32 [T, h, w] in [0, 1]."""
        return np.abs(self.level)


def heat(saliency: Saliency) -> tuple[Frames, Map]:
    """Turn a map into colours and opacities, as `Heat.of` scales them.

    Args:
        saliency: map [T, h, w].

    Returns:
        Colour uint8 [T, h, w, 3] and opacity float32 [T, h, w] in [0, 1].
    """
    made = Heat.of(saliency)
    return made.colour(), made.strength()


def smooth(values: Map) -> Map:
    """Blur each frame by a Gaussian whose sigma is 1% of the side, so that single pixels show.

    Args:
        values: float32 [T, h, w].

    Returns:
        float32 [T, h, w]; the edges are repeated outwards.
    """
    for axis in (1, 2):
        sigma = DRAWN_BLUR * values.shape[axis]
        radius = round(3 * sigma)
        if radius == 0:
            continue
        weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        padding = [(radius, radius) if side == axis else (0, 0) for side in range(3)]
        padded = np.pad(values, padding, mode="edge")
        values = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis) @ (
            weights / weights.sum()
        ).astype(np.float32)
    return values
