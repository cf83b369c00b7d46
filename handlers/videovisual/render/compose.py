"""The heat over source frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from videovisual.render.heat import Heat
from videovisual.saliency import Map, Saliency

Frames = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]

STRENGTH = 0.75
DIMMED = (np.arange(256) * 0.45).astype(np.uint8)
"""What becomes of a value outside the crop."""

OUTLINE = np.array((235, 235, 235), dtype=np.uint8)


class Brush:
    """Lays one saliency over frames of one size.

    Args:
        saliency: what is drawn; its provenance says where the crop lies.
        width, height: of the frames in pixels.
        heat: the saliency made ready, where it is at hand.
    """

    def __init__(
        self, saliency: Saliency, width: int, height: int, heat: Heat | None = None
    ) -> None:
        heat = heat or Heat.of(saliency)
        self.box = crop_box(saliency, width, height)
        self._colour = heat.colour()
        self._opacity = STRENGTH * heat.strength()
        self._last: tuple[int, Map, Map] | None = None

    def over(self, frame: Frames, held: int) -> Frames:
        """One frame with one of the map's frames over it.

        The crop that the model saw lies in a thin outline, what it did not see is dimmed.

        Args:
            frame: uint8 [H, W, 3].
            held: which frame of the map.
        """
        left, top, right, bottom = self.box
        paint, rest = self._sized(held)
        out: Frames = DIMMED[frame]
        out[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1] = OUTLINE
        out[top:bottom, left:right] = frame[top:bottom, left:right] * rest + paint
        return out

    def _sized(self, held: int) -> tuple[Map, Map]:
        """One of the map's frames in the crop's size: what it adds, and what it leaves."""
        if self._last is None or self._last[0] != held:
            left, top, right, bottom = self.box
            size = (right - left, bottom - top)
            colour = Image.fromarray(self._colour[held]).resize(size, Image.Resampling.BILINEAR)
            opacity = Image.fromarray(self._opacity[held]).resize(size, Image.Resampling.BILINEAR)
            weight = np.asarray(opacity)[..., None]
            # Half a step more, so that cutting off rounds.
            paint = np.asarray(colour, dtype=np.float32) * weight + np.float32(0.5)
            self._last = held, paint, 1 - weight
        return self._last[1:]


def overlay(saliency: Saliency, frames: Frames) -> Frames:
    """The heat over the source frames, in the crop that the model saw; the rest is dimmed.

    Args:
        saliency: map [T, h, w]; its provenance says where the crop lies.
        frames: uint8 [T, H, W, 3].

    Returns:
        uint8 [T, H, W, 3].
    """
    brush = Brush(saliency, frames.shape[2], frames.shape[1])
    return np.stack([brush.over(frame, place) for place, frame in enumerate(frames)])


def crop_box(saliency: Saliency, width: int, height: int) -> Box:
    """Left, top, right and bottom of the model's crop in frames of that size, in pixels."""
    crop = saliency.provenance.get("crop")
    if crop is None:
        return 0, 0, width, height
    across, down = width / crop["source_width"], height / crop["source_height"]
    left, top = round(crop["left"] * across), round(crop["top"] * down)
    right = round((crop["left"] + crop["width"]) * across)
    bottom = round((crop["top"] + crop["height"]) * down)
    return max(left, 0), max(top, 0), min(right, width), min(bottom, height)
