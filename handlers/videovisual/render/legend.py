"""The legend: what the colours of a map stand for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from videovisual.render.colour import SEQUENTIAL, colours, signed_colours
from videovisual.render.heat import Heat
from videovisual.render.style import INK, MUTED, SMALL
from videovisual.render.text import fitted, length, number, write

BAR_HEIGHT = 10
HEIGHT = BAR_HEIGHT + SMALL + 8
"""Pixels, at a scale of 1."""

LINE = "#8a8a94"


@dataclass(frozen=True)
class Ends:
    """What stands at the ends of the bar, and what the numbers are."""

    left: str
    right: str
    unit: str

    @classmethod
    def of(cls, heat: Heat) -> Ends:
        """In words and numbers."""
        if heat.signed:
            return cls(f"against {number(-heat.full)}", f"{number(heat.full)} for", heat.unit)
        return cls(number(heat.low), number(heat.full), heat.unit or "relative")


def bar(heat: Heat, width: int, height: int) -> Image.Image:
    """The colours from the map's least level to its full one."""
    if heat.signed:
        row = signed_colours(np.linspace(-1, 1, width))
    else:
        row = colours(np.linspace(0, 1, width), SEQUENTIAL)
    return Image.fromarray(np.repeat(row[None], height, axis=0))


def draw_legend(
    sheet: Image.Image, place: tuple[int, int], width: int, heat: Heat, scale: int = 1
) -> None:
    """The bar, and under it its ends and the unit, `scale * HEIGHT` pixels high."""
    left, top = place
    size, height = scale * SMALL, scale * BAR_HEIGHT
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((left, top, left + width - 1, top + height - 1), outline=LINE)
    sheet.paste(bar(heat, width - 2, height - 2), (left + 1, top + 1))
    ends = Ends.of(heat)
    below = top + height + 3 * scale
    write(pen, (left, below), ends.left, size=size, fill=INK)
    write(pen, (left + width, below), ends.right, size=size, fill=INK, anchor="ra")
    used = length(ends.left, size), length(ends.right, size)
    room = width - 2 * max(used) - 12 * scale
    unit = fitted(ends.unit, room, size)
    if unit.strip(".") and room > 30 * scale:
        write(pen, (left + width / 2, below), unit, size=size, fill=MUTED, anchor="ma")
