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


def draw_legend(sheet: Image.Image, place: tuple[int, int], width: int, heat: Heat) -> None:
    """The bar, and under it its ends and the unit, `HEIGHT` pixels high."""
    left, top = place
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((left, top, left + width - 1, top + BAR_HEIGHT - 1), outline=LINE)
    sheet.paste(bar(heat, width - 2, BAR_HEIGHT - 2), (left + 1, top + 1))
    ends = Ends.of(heat)
    below = top + BAR_HEIGHT + 3
    write(pen, (left, below), ends.left, size=SMALL, fill=INK)
    write(pen, (left + width, below), ends.right, size=SMALL, fill=INK, anchor="ra")
    used = length(ends.left, SMALL), length(ends.right, SMALL)
    room = width - 2 * max(used) - 12
    unit = fitted(ends.unit, room, SMALL)
    if unit.strip(".") and room > 30:
        write(pen, (left + width / 2, below), unit, size=SMALL, fill=MUTED, anchor="ma")
