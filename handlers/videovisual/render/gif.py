"""Moving pictures as GIF, for where nothing else plays."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from videovisual.render.film import Film
from videovisual.render.panel import Panel
from videovisual.render.sheet import Sheet

LARGEST = (960, 720)
MAX_FRAMES = 100
SHORTEST_CS = 4
"""Hundredths of a second: browsers slow frames of less than 2 down to 10, and GIFs are large."""

SAMPLED = 12
COLOURS = 255


def to_gif(panels: Sequence[Panel]) -> bytes:
    """Draw the source and all panels side by side, in at most 100 frames and 960×720 pixels.

    All frames share one palette of 255 colours, so that nothing flickers. Each frame's time, and
    the film's length, are exact to a hundredth of a second.

    Args:
        panels: at least one, all of the same clip; see `panels`.

    Returns:
        A GIF file that loops.

    Raises:
        TooLarge, MalformedClip: the source's frames can't be decoded.
    """
    film = panels[0].shown
    film = film.thinned(max(1, min(MAX_FRAMES, int(film.length_s * 100 / SHORTEST_CS))))
    sheet = Sheet(panels, film, LARGEST)
    palette = _palette(sheet, film)
    pictures = [
        sheet.picture(shot, frame).quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
        for shot, frame in film.play()
    ]
    ends = [round(100 * shot.start_s) for shot in film.shots[1:]] + [round(100 * film.length_s)]
    buffer = io.BytesIO()
    pictures[0].save(
        buffer,
        "GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=(10 * np.diff([0, *ends])).tolist(),
        loop=0,
        disposal=1,
        optimize=False,
    )
    return buffer.getvalue()


def _palette(sheet: Sheet, film: Film) -> Image.Image:
    """The palette of up to `SAMPLED` frames, evenly chosen from the film."""
    pictures = [sheet.picture(shot, frame) for shot, frame in film.thinned(SAMPLED).play()]
    stacked = Image.fromarray(np.concatenate([np.asarray(picture) for picture in pictures]))
    return stacked.quantize(COLOURS, method=Image.Quantize.MEDIANCUT)
