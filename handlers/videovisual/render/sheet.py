"""One picture of a film: the source and every panel side by side, each with legend and curve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from videovisual.render import legend
from videovisual.render.compose import Brush
from videovisual.render.curve import draw_curve
from videovisual.render.film import Film, Shot
from videovisual.render.heat import Heat
from videovisual.render.panel import Panel
from videovisual.render.style import GAP, INK, MUTED, PAPER, SMALL, TEXT, TITLE, WARNING
from videovisual.render.text import fitted, write

Frames = npt.NDArray[np.uint8]

IN_A_ROW = 3
"""Cells that stand in one row before there are several."""

SMALL_SIDE = 180
"""Smaller frames are enlarged by a whole number towards this, so that text fits beside them."""

CURVE_HEIGHT = 32
HEAD = TEXT + SMALL + 3 * GAP
FOOT = legend.HEIGHT + CURVE_HEIGHT + 3 * GAP


class Sheet:
    """The page on which the frames of a film are laid out.

    Args:
        panels: beside the source, in this order; all of one clip.
        film: what is shown.
        largest: width and height that the sheet may have at most, in pixels.
    """

    def __init__(self, panels: Sequence[Panel], film: Film, largest: tuple[int, int]) -> None:
        self.film = film
        count = len(panels) + 1
        self._columns = count if count <= IN_A_ROW else int(np.ceil(np.sqrt(count)))
        rows = -(-count // self._columns)
        self._tile = _tile_size(film, largest, self._columns, rows)
        width = self._columns * (self._tile[0] + GAP) + GAP
        height = rows * (self._tile[1] + HEAD + FOOT)
        # H.264 in 4:2:0 has no odd sizes.
        self.size = width + width % 2, height + height % 2
        self._blank = Image.new("RGB", self.size, PAPER)
        self._brushes = []
        for number, panel in enumerate(panels, start=1):
            heat = Heat.of(panel.saliency)
            self._brushes.append(Brush(panel.saliency, film.width, film.height, heat))
            self._frame_cell(number, panel, heat)
        write(
            ImageDraw.Draw(self._blank),
            (GAP, GAP),
            fitted("source", self._tile[0], TEXT),
            size=TEXT,
            fill=INK,
        )

    def picture(self, shot: Shot, frame: Frames) -> Image.Image:
        """The sheet with one frame of the film, uint8 [H, W, 3], in its place."""
        sheet = self._blank.copy()
        self._paste(sheet, 0, frame)
        for number, brush in enumerate(self._brushes, start=1):
            self._paste(sheet, number, brush.over(frame, shot.held))
            self._playhead(sheet, number, shot)
        self._time(sheet, shot)
        return sheet

    def _corner(self, number: int) -> tuple[int, int]:
        width, height = self._tile
        row, column = divmod(number, self._columns)
        return GAP + column * (width + GAP), row * (height + HEAD + FOOT)

    def _paste(self, sheet: Image.Image, number: int, frame: Frames) -> None:
        left, top = self._corner(number)
        tile = Image.fromarray(frame)
        if tile.size != self._tile:
            larger = self._tile[0] > tile.width
            tile = tile.resize(
                self._tile, Image.Resampling.NEAREST if larger else Image.Resampling.LANCZOS
            )
        sheet.paste(tile, (left, top + HEAD))

    def _frame_cell(self, number: int, panel: Panel, heat: Heat) -> None:
        """What stays the same in a panel's cell."""
        left, top = self._corner(number)
        width = self._tile[0]
        pen = ImageDraw.Draw(self._blank)
        title = fitted(panel.caption, width, TEXT)
        write(pen, (left, top + GAP), title, size=TEXT, fill=INK)
        heads = ", ".join(dict.fromkeys(text.partition(":")[0] for text in panel.doubts))
        below = fitted(heads or panel.detail, width, SMALL)
        place = (left, top + 2 * GAP + TEXT)
        write(pen, place, below, size=SMALL, fill=WARNING if heads else MUTED)
        foot = top + HEAD + self._tile[1] + GAP
        legend.draw_legend(self._blank, (left, foot), width, heat)
        curve = panel.saliency.curve()
        columns = _columns(self.film, len(curve))
        draw_curve(self._blank, self._curve_box(number), curve, columns)

    def _curve_box(self, number: int) -> tuple[int, int, int, int]:
        left, top = self._corner(number)
        bottom = top + HEAD + self._tile[1] + FOOT - GAP
        return left, bottom - CURVE_HEIGHT, left + self._tile[0] - 1, bottom

    def _playhead(self, sheet: Image.Image, number: int, shot: Shot) -> None:
        left, top, right, bottom = self._curve_box(number)
        share = (shot.start_s + shot.length_s / 2) / self.film.length_s
        column = left + share * (right - left)
        ImageDraw.Draw(sheet).line((column, top - 3, column, bottom), fill=WARNING, width=2)

    def _time(self, sheet: Image.Image, shot: Shot) -> None:
        left, top = self._corner(0)
        below = top + HEAD + self._tile[1] + GAP
        pen = ImageDraw.Draw(sheet)
        if self.film.origin_s is None:
            text, rest = f"frame {shot.frame}", ""
        else:
            text = f"{self.film.origin_s + shot.start_s:.2f} s"
            rest = f"frame {shot.frame}" + ("" if shot.seen else ", map held")
        write(pen, (left, below), text, size=TITLE, fill=INK)
        write(pen, (left, below + TITLE + GAP), rest, size=SMALL, fill=MUTED)


def _tile_size(film: Film, largest: tuple[int, int], columns: int, rows: int) -> tuple[int, int]:
    """The source's own size, unless it is too small for text or too large for a player."""
    wide = (largest[0] - GAP) / columns - GAP
    high = largest[1] / rows - HEAD - FOOT
    shrink = min(wide / film.width, high / film.height)
    if shrink < 1:
        return max(1, int(film.width * shrink)), max(1, int(film.height * shrink))
    enlarge = max(1, min(round(SMALL_SIDE / min(film.width, film.height)), int(shrink)))
    return film.width * enlarge, film.height * enlarge


def _columns(film: Film, count: int) -> list[float]:
    """Where each of a map's frames lies in the film, between 0 and 1."""
    middles: dict[int, list[float]] = {}
    for shot in film.shots:
        middles.setdefault(shot.held, []).append(shot.start_s + shot.length_s / 2)
    shown = sorted(middles)
    places = [sum(middles[held]) / len(middles[held]) / film.length_s for held in shown]
    # A thinned film may leave out frames of the map.
    inner: list[float] = np.interp(np.arange(count), shown, places).tolist()
    return inner
