"""A saliency map as levels of colour, and what those levels stand for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from videovisual.render.colour import SEQUENTIAL, colours, signed_colours
from videovisual.saliency import Map, Saliency

Frames = npt.NDArray[np.uint8]

CLIPPED_SHARE = 0.005
DRAWN_BLUR = 0.01

UNITS = {
    "gradient": "logit per unit of input",
    "gradient_x_input": "logit a pixel",
    "integrated_gradients": "logit a pixel",
    "occlusion": "fall of the logit",
    "rise": "probability",
    "ep_2d": "share shown",
    "ep_3d": "share shown",
    "step": "share shown",
}
"""What a map's numbers are, where they are more than relative."""


@dataclass(frozen=True)
class Heat:
    """A map made ready to be drawn.

    Attributes:
        level: float32 [T, H, W]; the colour, in [0, 1], or in [-1, 1] where signed.
        signed: whether negative levels speak against the target.
        low, full: the map's values at levels 0 and 1.
        unit: of these values; empty where they are only relative.
    """

    level: Map
    signed: bool
    low: float
    full: float
    unit: str

    @classmethod
    def of(cls, saliency: Saliency) -> Heat:
        """Levels of the smoothed map.

        Level 1 is the |value| that all but 0.5% of it stay below. Level 0 is zero in a signed
        map, else the least value: a map whose values are all large would hide the picture. One
        side of a signed map keeps that side's sign, and so its colours.
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
        return cls(level, signed, low, low + span, unit)

    def colour(self) -> Frames:
        """uint8 [T, H, W, 3]."""
        return signed_colours(self.level) if self.signed else colours(self.level, SEQUENTIAL)

    def strength(self) -> Map:
        """How much of the colour is seen: float32 [T, H, W] in [0, 1]."""
        return np.abs(self.level)


def heat(saliency: Saliency) -> tuple[Frames, Map]:
    """Colour uint8 [T, H, W, 3] and opacity float32 [T, H, W] in [0, 1]; see `Heat.of`."""
    made = Heat.of(saliency)
    return made.colour(), made.strength()


def smooth(values: Map) -> Map:
    """Each frame of [T, H, W] blurred by a Gaussian of 1% of its side, for the eye alone.

    Single pixels of a gradient map cannot be seen over a picture; the numbers stay as they are.
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
