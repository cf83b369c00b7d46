"""The filmstrip: frames, the same frames with the map over them, and the temporal curve."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from videovisual.render import legend
from videovisual.render.columns import DEFAULT, Columns, columns_of
from videovisual.render.compose import Brush
from videovisual.render.curve import draw_axis, draw_curve
from videovisual.render.panel import Panel
from videovisual.render.style import GAP, INK, MUTED, PAPER, SMALL, TEXT, TITLE, WARNING
from videovisual.render.text import fitted, wrapped, write

TILE_HEIGHT = 144
TILE_WIDTH = 4 * TILE_HEIGHT
"""The most; wider frames are drawn lower, since a strip of them could take gigabytes."""

MIN_WIDTH = 720
PAGE_WIDTH = 900
"""Pages show pictures at about this width: in wider strips the text is larger, to stay legible."""

MARGIN = 14
LEGEND_WIDTH = 260
CURVE_HEIGHT = 40


def strip(panels: Sequence[Panel], columns: Columns = DEFAULT) -> Image.Image:
    """Draw a filmstrip.

    Each panel shows source frames with the map over them, the legend, and each frame's share of the
    saliency over time. The bare source frames stand above the first of the panels that share them.
    Panels of the same times show the same frames, so that their columns can be compared.

    Args:
        panels: at least one, drawn one below the other; see `panels`.
        columns: how many frames of each panel, or which; see `Columns`. Even steps are taken, and
            one of the frames is the strongest on average over the panels.

    Returns:
        A picture of mode RGB.

    Raises:
        InvalidParameter: there are no columns.
    """
    rows = []
    for group in _groups(panels):
        chosen = columns_of(group, columns)
        shown: Panel | None = None
        for panel in group:
            bare = shown is None or not np.array_equal(shown.frames, panel.frames)
            rows.append(_Row(panel, chosen, bare).draw())
            shown = panel
    width = max(row.width for row in rows)
    sheet = Image.new("RGB", (width, sum(row.height for row in rows)), PAPER)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet


def to_png(panels: Sequence[Panel], columns: Columns = DEFAULT) -> bytes:
    """Draw the filmstrip, as `strip` does.

    Returns:
        A PNG file.
    """
    buffer = io.BytesIO()
    strip(panels, columns).save(buffer, "PNG")
    return buffer.getvalue()


def _groups(panels: Sequence[Panel]) -> Iterator[list[Panel]]:
    """Neighbours whose frames have the same times."""
    group: list[Panel] = []
    for panel in panels:
        if group and _times(panel) != _times(group[0]):
            yield group
            group = []
        group.append(panel)
    yield group


def _times(panel: Panel) -> tuple[int, Sequence[float] | None]:
    return len(panel.frames), panel.saliency.provenance.get("timestamps")


@dataclass(frozen=True)
class _Row:
    """One panel of the strip.

    Attributes:
        panel: what is drawn.
        chosen: the frames shown, increasing.
        bare: whether the frames are shown without the map too.
    """

    panel: Panel
    chosen: npt.NDArray[np.int64]
    bare: bool

    @property
    def _tile(self) -> tuple[int, int]:
        high, wide = self.panel.frames.shape[1:3]
        shrink = min(TILE_HEIGHT / high, TILE_WIDTH / wide)
        return max(1, round(wide * shrink)), max(1, round(high * shrink))

    @property
    def _inner(self) -> int:
        return max(len(self.chosen) * (self._tile[0] + 2) - 2, MIN_WIDTH)

    @property
    def _places(self) -> list[int]:
        """The left of each tile; the tiles fill the width."""
        gaps, room = max(len(self.chosen) - 1, 1), self._inner - self._tile[0]
        return [MARGIN + round(number * room / gaps) for number in range(len(self.chosen))]

    def _px(self, length: float) -> int:
        """A length of text, enlarged as the strip is wider than a page."""
        return round(length * max(1.0, self._inner / PAGE_WIDTH))

    def draw(self) -> Image.Image:
        text = self._px(TEXT)
        warnings = [line for each in self.panel.doubts for line in wrapped(each, self._inner, text)]
        pictures = MARGIN + self._px(TITLE + TEXT + 3 * GAP + len(warnings) * (TEXT + 4))
        labels = pictures + (1 + self.bare) * (TILE_HEIGHT + 2) + self._px(3)
        plot = labels + self._px(SMALL + 5)
        bottom = plot + self._px(CURVE_HEIGHT)
        height = bottom + self._px(SMALL + 10) + MARGIN
        row = Image.new("RGB", (self._inner + 2 * MARGIN, height), PAPER)
        self._head(row, warnings)
        self._tiles(row, pictures)
        self._labels(row, labels)
        self._timeline(row, plot, bottom)
        return row

    def _head(self, row: Image.Image, warnings: Sequence[str]) -> None:
        pen, text, title, panel = ImageDraw.Draw(row), self._px(TEXT), self._px(TITLE), self.panel
        wide = self._px(LEGEND_WIDTH)
        room = self._inner - wide - self._px(3 * GAP)
        write(pen, (MARGIN, MARGIN - 2), fitted(panel.caption, room, title), size=title, fill=INK)
        below = MARGIN + self._px(TITLE + GAP)
        write(pen, (MARGIN, below), fitted(panel.detail, room, text), size=text, fill=MUTED)
        place = MARGIN + self._inner - wide, MARGIN
        legend.draw_legend(row, place, wide, panel.heat, wide / LEGEND_WIDTH)
        for number, line in enumerate(warnings):
            down = below + self._px(TEXT + GAP + number * (TEXT + 4))
            write(pen, (MARGIN, down), line, size=text, fill=WARNING)

    def _tiles(self, row: Image.Image, top: int) -> None:
        """Draw each chosen frame under the map, and bare above it."""
        frames, size = self.panel.frames, self._tile
        brush = Brush(self.panel.saliency, frames.shape[2], frames.shape[1], self.panel.heat)
        # Enlarged pixels stay sharp squares.
        is_small = frames.shape[1] < size[1]
        resampling = Image.Resampling.NEAREST if is_small else Image.Resampling.LANCZOS
        for index, left in zip(self.chosen, self._places, strict=True):
            over = brush.over(frames[index], int(index))
            for line, picture in enumerate((frames[index], over) if self.bare else (over,)):
                down = top + line * (TILE_HEIGHT + 2) + (TILE_HEIGHT - size[1]) // 2
                row.paste(Image.fromarray(picture).resize(size, resampling), (left, down))

    def _labels(self, row: Image.Image, top: int) -> None:
        pen, size, wide = ImageDraw.Draw(row), self._px(SMALL), self._tile[0]
        times = self.panel.saliency.provenance.get("timestamps")
        for index, left in zip(self.chosen, self._places, strict=True):
            label = f"{times[index]:.2f} s" if times else f"frame {self.panel.numbers[index]}"
            text = fitted(f"{label}, {100 * self.panel.curve[index]:.0f}%", wide, size)
            write(pen, (left + wide / 2, top), text, size=size, fill=INK, anchor="ma")

    def _timeline(self, row: Image.Image, top: int, bottom: int) -> None:
        curve, size, half = self.panel.curve, self._px(SMALL), self._tile[0] // 2
        # The middles of the first and the last tile.
        left, right = MARGIN + half, MARGIN + self._inner - half
        times = self.panel.saliency.provenance.get("timestamps")
        clock = self.panel.clock
        span = max(clock[-1] - clock[0], 1e-9)
        box = left, top, max(right, left + 1), bottom
        draw_axis(row, box, (clock[0], clock[-1]), "s" if times else "", size=size, grid=True)
        draw_curve(row, box, curve, [(instant - clock[0]) / span for instant in clock])
        pen, gap = ImageDraw.Draw(row), self._px(5)
        if half > self._px(34):
            highest = f"{100 * float(curve.max()):.0f}%"
            write(pen, (left - gap, top), highest, size=size, fill=MUTED, anchor="ra")
            write(pen, (left - gap, bottom), "0", size=size, fill=MUTED, anchor="rs")
        if half + MARGIN > self._px(62):
            write(pen, (right + gap, top), "of all", size=size, fill=MUTED)
            write(pen, (right + gap, bottom), "dots: even", size=size, fill=MUTED, anchor="ls")
