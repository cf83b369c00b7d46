"""The temporal curve: each frame's share of the saliency, over time."""

import itertools
from collections.abc import Sequence

from PIL import Image, ImageDraw

from videovisual.render.compose import Box
from videovisual.render.style import ACCENT, INK, MUTED, RULE, SMALL
from videovisual.render.text import length, write
from videovisual.saliency import Map

TICKS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
"""Allowed distances between two labels, in seconds or frames."""

MIN_TICK = 5
"""Least distance of labels, as a multiple of the text's size."""


def draw_curve(sheet: Image.Image, box: Box, curve: Map, columns: Sequence[float]) -> None:
    """Draw each frame's share as a bar, and a dotted line at the mean share.

    Args:
        sheet: the picture to draw on.
        box: left, top, right and bottom of the plot, in pixels.
        curve: shares [T], as of `Saliency.curve`.
        columns: the middle of each frame, from 0 (left) to 1 (right); T values.
    """
    left, top, right, bottom = box
    pen = ImageDraw.Draw(sheet)
    highest = max(float(curve.max()), 1e-9)
    # Bars meet half-way between the frames.
    inner = [(one + two) / 2 for one, two in itertools.pairwise(columns)]
    edges = itertools.pairwise([0.0, *inner, 1.0])
    for share, (start, end) in zip(curve, edges, strict=True):
        height = (bottom - top) * float(share) / highest
        first = round(left + start * (right - left))
        last = max(round(left + end * (right - left)) - 1, first)
        pen.rectangle((first, round(bottom - height), last, bottom), fill=ACCENT)
    even = bottom - (bottom - top) / len(curve) / highest
    if even > top + 3:
        for start in range(left, right, 6):
            pen.line((start, even, min(start + 2, right), even), fill=INK)
    pen.line((left, bottom, right, bottom), fill=MUTED)


def draw_axis(
    sheet: Image.Image,
    box: Box,
    times: tuple[float, float],
    unit: str,
    *,
    size: int = SMALL,
    grid: bool = False,
) -> None:
    """Draw labels of a size under the plot, from `times[0]` at its left to `times[1]` at its
    right."""
    left, top, right, bottom = box
    pen = ImageDraw.Draw(sheet)
    first, last = times
    span = max(last - first, 1e-9)
    gap = tick_gap(span, max(1, (right - left) // (MIN_TICK * size)), whole=not unit)
    tick = -(-first // gap) * gap
    digits = len(f"{gap:g}".partition(".")[2])
    while tick <= last + 1e-9:
        column = left + (tick - first) / span * (right - left)
        pen.line((column, bottom, column, bottom + 3), fill=MUTED)
        if grid:
            pen.line((column, top, column, bottom), fill=RULE)
        text = f"{tick:.{digits}f} {unit}"
        half = length(text, size) / 2
        middle = min(max(column, left + half), right - half)
        write(pen, (middle, bottom + 5), text, size=size, fill=MUTED, anchor="ma")
        tick += gap


def tick_gap(span: float, room: int, *, whole: bool) -> float:
    """The smallest allowed distance of labels at which `room` labels span the axis.

    With `whole`, only whole numbers are allowed, as for frames.
    """
    allowed = [tick for tick in TICKS if tick >= 1 or not whole]
    return next((tick for tick in allowed if span / tick <= room), TICKS[-1])
