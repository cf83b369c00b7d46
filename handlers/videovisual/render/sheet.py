"""One picture of a film: the source and every panel side by side, each with legend and curve."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from videovisual.clips.source import Frames
from videovisual.render import legend
from videovisual.render.compose import Box, Brush
from videovisual.render.curve import draw_curve
from videovisual.render.film import Film, Shot
from videovisual.render.panel import Panel
from videovisual.render.style import GAP, INK, MUTED, PAPER, SMALL, TEXT, TITLE, WARNING
from videovisual.render.text import fitted, write

IN_A_ROW = 3
"""The most cells in one row; more are laid out in a square."""

SMALL_SIDE = 180
"""Smaller frames are enlarged by a whole factor towards this side, so that text fits below."""

LEGIBLE_SIDE = 400
"""Text is scaled by the frame's shorter side divided by this, rounded."""

CURVE_HEIGHT = 32
HEAD = TEXT + 2 * SMALL + 4 * GAP
LEAST_CELL = 96
"""The least width of a cell at a scale of 1: a narrow film's legend and curve need room too."""

FOOT = legend.HEIGHT + CURVE_HEIGHT + 3 * GAP
"""Pixels, at a scale of 1."""


class Sheet:
    """The layout of one picture of a film.

    Args:
        panels: drawn after the source, in this order; all of one clip.
        film: the frames that are shown.
        largest: the largest width and height, in pixels.

    Attributes:
        size: width and height, in pixels, both even.
    """

    def __init__(self, panels: Sequence[Panel], film: Film, largest: tuple[int, int]) -> None:
        self.film = film
        count = len(panels) + 1
        self._across = count if count <= IN_A_ROW else int(np.ceil(np.sqrt(count)))
        down = -(-count // self._across)
        grid = self._across, down
        unscaled = _tile_size(film, largest, grid, scale=1)
        self._scale = max(1, round(min(unscaled) / LEGIBLE_SIDE))
        self._tile = _tile_size(film, largest, grid, self._scale)
        self._cell = max(self._tile[0], self._scale * LEAST_CELL)
        self._drawn = min(self._tile, (film.width, film.height))
        gap = self._scale * GAP
        width = self._across * (self._cell + gap) + gap
        height = down * (self._tile[1] + self._scale * (HEAD + FOOT))
        # H.264 in 4:2:0 has no odd sizes.
        self.size = width + width % 2, height + height % 2
        self._blank = Image.new("RGB", self.size, PAPER)
        self._write(0, GAP, "source", TEXT, INK)
        self._brushes = []
        for number, panel in enumerate(panels, start=1):
            self._brushes.append(Brush(panel.saliency, *self._drawn, panel.heat))
            self._label(number, panel)

    def picture(self, shot: Shot, frame: Frames) -> Image.Image:
        """The sheet with one frame of the film, uint8 [H, W, 3]."""
        sheet = self._blank.copy()
        if self._drawn != frame.shape[1::-1]:
            picture = Image.fromarray(frame).resize(self._drawn, Image.Resampling.LANCZOS)
            frame = np.asarray(picture)
        self._paste(sheet, 0, frame)
        for number, brush in enumerate(self._brushes, start=1):
            self._paste(sheet, number, brush.over(frame, shot.held))
            self._playhead(sheet, number, shot)
        self._time(sheet, shot)
        return sheet

    def _corner(self, number: int) -> tuple[int, int]:
        row, column = divmod(number, self._across)
        gap = self._scale * GAP
        below = row * (self._tile[1] + self._scale * (HEAD + FOOT))
        return gap + column * (self._cell + gap), below

    def _write(
        self,
        number: int,
        below: int,
        text: str,
        size: int,
        fill: str,
        sheet: Image.Image | None = None,
    ) -> None:
        """Write a line of text, `below` pixels (at a scale of 1) under the top of a cell."""
        left, top = self._corner(number)
        pen = ImageDraw.Draw(sheet or self._blank)
        size *= self._scale
        line = fitted(text, self._cell, size)
        write(pen, (left, top + self._scale * below), line, size=size, fill=fill)

    def _paste(self, sheet: Image.Image, number: int, frame: Frames) -> None:
        left, top = self._corner(number)
        tile = Image.fromarray(frame)
        if tile.size != self._tile:
            tile = tile.resize(self._tile, Image.Resampling.NEAREST)
        middle = left + (self._cell - self._tile[0]) // 2
        sheet.paste(tile, (middle, top + self._scale * HEAD))

    def _label(self, number: int, panel: Panel) -> None:
        """Draw what all frames share: texts, legend and curve."""
        self._write(number, GAP, panel.caption, TEXT, INK)
        warnings = ", ".join(dict.fromkeys(text.partition(":")[0] for text in panel.doubts))
        self._write(number, 2 * GAP + TEXT, panel.detail, SMALL, MUTED)
        self._write(number, 3 * GAP + TEXT + SMALL, warnings, SMALL, WARNING)
        left, top = self._corner(number)
        foot = top + self._scale * (HEAD + GAP) + self._tile[1]
        legend.draw_legend(self._blank, (left, foot), self._cell, panel.heat, self._scale)
        curve = panel.curve
        draw_curve(self._blank, self._curve_box(number), curve, _columns(self.film, len(curve)))

    def _curve_box(self, number: int) -> Box:
        left, top = self._corner(number)
        bottom = top + self._tile[1] + self._scale * (HEAD + FOOT - GAP)
        return left, bottom - self._scale * CURVE_HEIGHT, left + self._cell - 1, bottom

    def _playhead(self, sheet: Image.Image, number: int, shot: Shot) -> None:
        left, top, right, bottom = self._curve_box(number)
        share = (shot.start_s + shot.length_s / 2) / self.film.length_s
        column = left + share * (right - left)
        line = (column, top - 3, column, bottom)
        ImageDraw.Draw(sheet).line(line, fill=WARNING, width=2 * self._scale)

    def _time(self, sheet: Image.Image, shot: Shot) -> None:
        below = HEAD + GAP + self._tile[1] // self._scale
        origin = self.film.origin_s
        frame = f"frame {shot.frame}" + ("" if shot.seen else ", map held")
        if origin is None:
            self._write(0, below, frame, TITLE, INK, sheet)
        else:
            self._write(0, below, f"{origin + shot.start_s:.2f} s", TITLE, INK, sheet)
            self._write(0, below + TITLE + GAP, frame, SMALL, MUTED, sheet)


def _tile_size(
    film: Film, largest: tuple[int, int], grid: tuple[int, int], scale: int
) -> tuple[int, int]:
    """The source's own size, unless it is too small for text or too large for a player."""
    gap = scale * GAP
    wide = (largest[0] - gap) / grid[0] - gap
    high = largest[1] / grid[1] - scale * (HEAD + FOOT)
    shrink = min(wide / film.width, high / film.height)
    if shrink < 1:
        return max(1, int(film.width * shrink)), max(1, int(film.height * shrink))
    enlarge = max(1, min(round(SMALL_SIDE / min(film.width, film.height)), int(shrink)))
    return film.width * enlarge, film.height * enlarge


def _columns(film: Film, count: int) -> list[float]:
    """The middle of each of a map's frames in the film: from 0 (its start) to 1 (its end)."""
    middles: dict[int, list[float]] = {}
    for shot in film.shots:
        middles.setdefault(shot.held, []).append(shot.start_s + shot.length_s / 2)
    shown = sorted(middles)
    places = [sum(middles[held]) / len(middles[held]) / film.length_s for held in shown]
    # A thinned film may leave out frames of the map.
    columns: list[float] = np.interp(np.arange(count), shown, places).tolist()
    return columns
