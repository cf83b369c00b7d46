"""A small picture of a clip with its map: a few frames side by side."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from videovisual.clips.source import Frames
from videovisual.render.compose import Brush
from videovisual.render.heat import Heat
from videovisual.saliency import Saliency

SHOWN = 4
"""Frames side by side."""

HEIGHT = 112
LONGEST = 4 * HEIGHT
"""Height and greatest width of a frame, in pixels."""

QUALITY = 80


def thumbnail(frames: Frames, saliency: Saliency | None) -> bytes:
    """Draw frames that are spread over a clip, the one with most evidence among them.

    Args:
        frames: uint8 [T, H, W, 3], RGB, the frames that the model saw.
        saliency: their map [T, h, w]; None draws the frames alone.

    Returns:
        A JPEG of up to four frames, each 112 pixels high.
    """
    height, width = frames.shape[1:3]
    size = max(1, min(LONGEST, round(HEIGHT * width / height))), HEIGHT
    brush = None if saliency is None else Brush(saliency, *size, Heat.of(saliency))
    strongest = None if saliency is None else int(saliency.curve().argmax())
    tiles = []
    for place in _spread(len(frames), strongest):
        small = np.asarray(Image.fromarray(frames[place]).resize(size, Image.Resampling.BOX))
        tiles.append(small if brush is None else brush.over(small, place))
    return _jpeg(Image.fromarray(np.concatenate(tiles, axis=1)))


def _spread(frames: int, strongest: int | None) -> list[int]:
    """Numbers of frames from the first to the last, of which the nearest gives way to one."""
    spread = sorted({round(place) for place in np.linspace(0, frames - 1, SHOWN)})
    if strongest is not None:
        nearest = min(range(len(spread)), key=lambda place: abs(spread[place] - strongest))
        spread[nearest] = strongest
    return sorted(set(spread))


def stacked(pictures: Sequence[bytes]) -> bytes:
    """JPEGs one below the other, as one."""
    opened = [Image.open(io.BytesIO(picture)) for picture in pictures]
    gap, width = 2, max(each.width for each in opened)
    sheet = Image.new("RGB", (width, sum(each.height + gap for each in opened) - gap))
    top = 0
    for each in opened:
        sheet.paste(each, (0, top))
        top += each.height + gap
    return _jpeg(sheet)


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "jpeg", quality=QUALITY)
    return buffer.getvalue()
