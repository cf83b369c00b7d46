"""The legend: what the colours of a map stand for."""

import numpy as np
from PIL import Image, ImageDraw

from videovisual.render.heat import Heat
from videovisual.render.style import INK, MUTED, SMALL
from videovisual.render.text import fitted, length, write

BAR_HEIGHT = 10
HEIGHT = BAR_HEIGHT + SMALL + 8
"""Pixels, at a scale of 1."""

LINE = "#8a8a94"


def end_labels(heat: Heat) -> tuple[str, str]:
    """The texts at the left and right end of the bar."""
    if heat.signed:
        return f"against {-heat.full:.3g}", f"{heat.full:.3g} for"
    return f"{heat.low:.3g}", f"{heat.full:.3g}"


def bar(heat: Heat, width: int, height: int) -> Image.Image:
    """The colours from the map's lowest level to its highest."""
    row = heat.colours(np.linspace(-1 if heat.signed else 0, 1, width))
    return Image.fromarray(np.repeat(row[None], height, axis=0))


def draw_legend(
    sheet: Image.Image, place: tuple[int, int], width: int, heat: Heat, scale: float = 1
) -> None:
    """Draw the bar with its ends and its unit below, `scale * HEIGHT` pixels high."""
    left, top = place
    size, height = round(scale * SMALL), round(scale * BAR_HEIGHT)
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((left, top, left + width - 1, top + height - 1), outline=LINE)
    sheet.paste(bar(heat, width - 2, height - 2), (left + 1, top + 1))
    first, last = end_labels(heat)
    below = top + height + 3 * scale
    write(pen, (left, below), first, size=size, fill=INK)
    write(pen, (left + width, below), last, size=size, fill=INK, anchor="ra")
    room = width - 2 * max(length(first, size), length(last, size)) - 12 * scale
    unit = fitted(heat.unit or ("" if heat.signed else "relative"), room, size)
    if unit.strip(".") and room > 30 * scale:
        write(pen, (left + width / 2, below), unit, size=size, fill=MUTED, anchor="ma")
