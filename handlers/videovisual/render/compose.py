"""Saliency drawn over source frames."""

import numpy as np
from PIL import Image

from videovisual.clips.source import Frames
from videovisual.render.heat import Heat
from videovisual.saliency import Map, Saliency

Box = tuple[int, int, int, int]

STRENGTH = 0.75
DIMMED = (np.arange(256) * 0.45).astype(np.uint8)
"""Lookup table of pixel values outside the crop."""

OUTLINE = np.array((235, 235, 235), dtype=np.uint8)


class Brush:
    """Draws one saliency over frames of one size.

    Args:
        saliency: the map; its provenance gives the crop.
        width, height: of the frames, in pixels.
        heat: `Heat.of(saliency)`.
    """

    def __init__(self, saliency: Saliency, width: int, height: int, heat: Heat) -> None:
        self.box = crop_box(saliency, width, height)
        self._colour = heat.colour()
        self._opacity = STRENGTH * heat.strength()
        self._last: tuple[int, Map, Map] | None = None

    def over(self, frame: Frames, held: int) -> Frames:
        """Draw one frame of the map over a frame: uint8 [H, W, 3].

        The model's crop has a thin outline, pixels outside of it are dimmed.

        Args:
            frame: uint8 [H, W, 3].
            held: index of the map's frame.
        """
        left, top, right, bottom = self.box
        paint, rest = self._sized(held)
        out: Frames = DIMMED[frame]
        out[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1] = OUTLINE
        out[top:bottom, left:right] = frame[top:bottom, left:right] * rest + paint
        return out

    def _sized(self, held: int) -> tuple[Map, Map]:
        """What a frame of the map adds, and the share of the picture that it leaves visible.

        Both are float32 of the crop's size; the last frame's are kept for the next call.
        """
        if self._last is None or self._last[0] != held:
            left, top, right, bottom = self.box
            size = (right - left, bottom - top)
            colour, opacity = (
                np.asarray(Image.fromarray(values[held]).resize(size, Image.Resampling.BILINEAR))
                for values in (self._colour, self._opacity)
            )
            weight = opacity[..., None]
            # With half a step more, the conversion to uint8 rounds.
            paint = colour.astype(np.float32) * weight + np.float32(0.5)
            self._last = held, paint, 1 - weight
        return self._last[1:]


def overlay(saliency: Saliency, frames: Frames) -> Frames:
    """Draw a map over source frames; pixels outside the model's crop are dimmed.

    Args:
        saliency: map [T, h, w]; its provenance gives the crop, else the whole frame is taken.
        frames: uint8 [T, H, W, 3], RGB, one for each frame of the map.

    Returns:
        uint8 [T, H, W, 3], RGB.
    """
    brush = Brush(saliency, frames.shape[2], frames.shape[1], Heat.of(saliency))
    return np.stack([brush.over(frame, place) for place, frame in enumerate(frames)])


def crop_box(saliency: Saliency, width: int, height: int) -> Box:
    """Left, top, right and bottom of the model's crop, in pixels of frames of the given size."""
    crop = saliency.provenance.get("crop")
    if crop is None:
        return 0, 0, width, height
    across, down = width / crop["source_width"], height / crop["source_height"]
    left, right = _bounds(crop["left"] * across, crop["width"] * across, width)
    top, bottom = _bounds(crop["top"] * down, crop["height"] * down, height)
    return left, top, right, bottom


def _bounds(start: float, length: float, size: int) -> tuple[int, int]:
    """First pixel and end of a crop along one axis, inside of the frame; one pixel at least."""
    first = min(max(round(start), 0), size - 1)
    return first, max(first + 1, min(round(start + length), size))
