"""Figures for papers and slides, as PDF and SVG: the text is text, the frames are pictures."""

from __future__ import annotations

import io
import string
import textwrap
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from videovisual.clips.source import Frames
from videovisual.render.columns import DEFAULT, Columns, columns_of
from videovisual.render.compose import Brush
from videovisual.render.curve import tick_gap
from videovisual.render.legend import bar, end_labels
from videovisual.render.panel import Panel
from videovisual.render.style import ACCENT, INK, MUTED, PAPER, WARNING
from videovisual.utils.extras import needs
from videovisual.version import __version__

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH = 504.0
"""Points: the width of a page's text, seven inches."""

GUTTER = 24.0
"""Right of the tiles, for the curves' scale."""

GAP = 2.0
TALLEST = 150.0
CURVE = 16.0
LEGEND = 64.0
TEXT, SMALL = 7.5, 6.5
LINE = 1.35 * TEXT
LETTER, DIGIT = 0.54, 0.64
"""Width of a letter, on average over a line of text, and of a digit, as shares of the size."""

DPI = 300
"""Of the frames; larger ones are scaled down."""

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    # Equal figures are equal bytes.
    "svg.hashsalt": "videovisual",
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
    # A label may have a dollar sign.
    "text.parse_math": False,
    "image.composite_image": False,
}
_styled = threading.Lock()
"""Matplotlib's settings are the process's."""


def to_pdf(panels: Sequence[Panel], columns: Columns = DEFAULT) -> bytes:
    """Draw a figure, seven inches wide: a row of frames, and a row for each map of them.

    The caption below tells method, model, class and caveats of every row. The text can be searched
    and copied, and the frames have 300 dots an inch.

    Args:
        panels: at least one, all of the same frames; see `panels`.
        columns: how many frames are shown, or which; see `Columns`.

    Returns:
        A PDF file of one page; equal panels give equal bytes.

    Raises:
        InvalidParameter: there are no columns.
        MissingExtra: matplotlib is not installed.
    """
    facts = {"Creator": f"VideoVisual {__version__}", "CreationDate": None}
    return _drawn(panels, columns, "pdf", facts)


def to_svg(panels: Sequence[Panel], columns: Columns = DEFAULT) -> bytes:
    """Draw the figure of `to_pdf` as SVG, whose text can be edited.

    Args, Returns and Raises: as `to_pdf`.
    """
    return _drawn(panels, columns, "svg", {"Creator": f"VideoVisual {__version__}", "Date": None})


def _drawn(panels: Sequence[Panel], columns: Columns, suffix: str, facts: dict[str, Any]) -> bytes:
    with needs("figures", "Without it, ask for png or html."):
        import matplotlib as mpl  # noqa: PLC0415
        from matplotlib.figure import Figure  # noqa: PLC0415
    chosen = columns_of(panels, columns)
    page = _Page(panels, chosen)
    height = page.height
    buffer = io.BytesIO()
    settings: Any = {**mpl.rcParamsDefault, **STYLE}
    with _styled, mpl.rc_context(settings):
        figure = Figure(figsize=(WIDTH / 72, height / 72), facecolor=PAPER)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, WIDTH), ylim=(height, 0))
        axes.axis("off")
        page.draw(axes)
        title = "; ".join(_clean(panel.caption) for panel in panels)
        figure.savefig(buffer, format=suffix, metadata={**facts, "Title": title})
    return buffer.getvalue()


@dataclass
class _Page:
    """The figure's layout, in points from the left top.

    Attributes:
        panels: the rows.
        chosen: the frames shown, increasing.
    """

    panels: Sequence[Panel]
    chosen: npt.NDArray[np.int64]
    tile: tuple[float, float] = field(init=False)
    caption: list[tuple[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        high, wide = self.panels[0].frames.shape[1:3]
        room = (WIDTH - GUTTER - (len(self.chosen) - 1) * GAP) / len(self.chosen)
        scale = min(room / wide, TALLEST / high)
        self.tile = wide * scale, high * scale
        self.caption = list(self._caption())

    @property
    def height(self) -> float:
        row = LINE + 2 * GAP + self.tile[1] + CURVE + 4 * GAP
        first = SMALL + 2 * GAP + self.tile[1] + 3 * GAP
        return first + len(self.panels) * row + 2 * LINE + len(self.caption) * LINE + GAP

    @property
    def lefts(self) -> list[float]:
        """The left of each tile; the tiles fill the width up to the gutter."""
        gaps, room = max(len(self.chosen) - 1, 1), WIDTH - GUTTER - self.tile[0]
        return [number * room / gaps for number in range(len(self.chosen))]

    def draw(self, axes: Axes) -> None:
        frames = self.panels[0].frames
        times = self.panels[0].saliency.provenance.get("timestamps")
        top = SMALL + 2 * GAP
        for index, left in zip(self.chosen, self.lefts, strict=True):
            label = f"{times[index]:.2f} s" if times else f"frame {self.panels[0].numbers[index]}"
            middle = left + self.tile[0] / 2
            axes.text(middle, top - GAP, label, size=SMALL, color=INK, ha="center")
            self._picture(axes, frames[index], left, top)
        top += self.tile[1] + 3 * GAP
        for letter, panel in zip(_letters(), self.panels, strict=False):
            self._head(axes, panel, letter, top)
            top += LINE + 2 * GAP
            brush = Brush(panel.saliency, frames.shape[2], frames.shape[1], panel.heat)
            for index, left in zip(self.chosen, self.lefts, strict=True):
                self._picture(axes, brush.over(panel.frames[index], int(index)), left, top)
            top += self.tile[1] + GAP
            self._curve(axes, panel, top)
            top += CURVE + 3 * GAP
        self._clock(axes, self.panels[-1], top - 2 * GAP)
        top += 2 * LINE
        for line, colour in self.caption:
            axes.text(0, top, line, size=TEXT, color=colour, va="baseline")
            top += LINE

    def _picture(self, axes: Axes, picture: Frames, left: float, top: float) -> None:
        wide, high = self.tile
        most = max(1, round(wide * DPI / 72)), max(1, round(high * DPI / 72))
        if most[0] < picture.shape[1]:
            resized = Image.fromarray(picture).resize(most, Image.Resampling.LANCZOS)
            picture = np.asarray(resized)
        place = (left, left + wide, top + high, top)
        axes.imshow(picture, extent=place, interpolation="none", aspect="auto")

    def _head(self, axes: Axes, panel: Panel, letter: str, top: float) -> None:
        """The row's name, and its legend at the right."""
        base, right = top + TEXT, WIDTH - GUTTER
        low, full = end_labels(panel.heat)
        axes.text(right, base, full, size=SMALL, color=INK, ha="right")
        right -= DIGIT * SMALL * len(full) + 2 * GAP
        ramp = np.asarray(bar(panel.heat, 256, 1))
        place = (right - LEGEND, right, base, base - TEXT + GAP)
        axes.imshow(ramp, extent=place, interpolation="none", aspect="auto")
        right -= LEGEND + 2 * GAP
        axes.text(right, base, low, size=SMALL, color=INK, ha="right")
        right -= DIGIT * SMALL * len(low) + 4 * GAP
        unit = panel.heat.unit or ("" if panel.heat.signed else "relative")
        axes.text(right, base, unit, size=SMALL, color=MUTED, ha="right")
        axes.text(0, base, letter, size=TEXT, color=INK, weight="bold")
        room = right - LETTER * SMALL * len(unit) - 4 * TEXT
        name = textwrap.shorten(
            _clean(panel.caption), max(8, int(room / LETTER / TEXT)), placeholder="…"
        )
        axes.text(2 * TEXT, base, name, size=TEXT, color=INK)

    def _curve(self, axes: Axes, panel: Panel, top: float) -> None:
        """Each frame's share as a bar, the even share as dots, the frames shown as triangles."""
        middles, end = self._middles(panel), WIDTH - GUTTER
        highest = max(float(panel.curve.max()), 1e-9)
        bottom = top + CURVE
        edges = np.concatenate([[0], (middles[1:] + middles[:-1]) / 2, [end]])
        heights = bottom - CURVE * panel.curve / highest
        axes.stairs(heights, edges, baseline=bottom, fill=True, color=ACCENT, linewidth=0)
        even = bottom - CURVE / len(panel.curve) / highest
        axes.plot((0, end), (even, even), color=INK, linewidth=0.5, linestyle=":")
        axes.plot((0, end), (bottom, bottom), color=MUTED, linewidth=0.5)
        marks = middles[self.chosen]
        axes.plot(marks, [bottom + GAP] * len(marks), "^", color=INK, ms=2.5, mew=0)
        share = f"{100 * highest:.0f}%"
        axes.text(end + GAP, top + SMALL - GAP, share, size=SMALL, color=MUTED)
        axes.text(end + GAP, bottom, "0", size=SMALL, color=MUTED)

    def _clock(self, axes: Axes, panel: Panel, top: float) -> None:
        """Times under the last curve."""
        times = panel.saliency.provenance.get("timestamps")
        clock = panel.clock
        middles = self._middles(panel)
        span = max(clock[-1] - clock[0], 1e-9)
        gap = tick_gap(span, 12, whole=not times)
        digits = len(f"{gap:g}".partition(".")[2])
        for tick in np.arange(np.ceil(clock[0] / gap), np.floor(clock[-1] / gap + 1e-9) + 1) * gap:
            left = float(np.interp(tick, clock, middles))
            text = f"{tick:.{digits}f} s" if times else f"frame {tick:.0f}"
            axes.text(left, top + SMALL + GAP, text, size=SMALL, color=MUTED, ha="center")

    def _middles(self, panel: Panel) -> npt.NDArray[np.float64]:
        """Where each frame's time lies across the curve, which is as wide as the tiles."""
        clock = np.array(panel.clock)
        share = (clock - clock[0]) / max(clock[-1] - clock[0], 1e-9)
        half = (WIDTH - GUTTER) / len(clock) / 2
        middles: npt.NDArray[np.float64] = half + share * (WIDTH - GUTTER - 2 * half)
        return middles

    def _caption(self) -> Iterator[tuple[str, str]]:
        """Lines of text and their colours."""
        signed = {panel.heat.signed for panel in self.panels}
        shown = f"{len(self.chosen)} of the {len(self.panels[0].curve)} frames that the model saw"
        means = [
            f"Top: {shown}; below, the evidence in them. The thin outline is the model's crop.",
            "Brighter means stronger." if False in signed else "",
            "Red supports the class, blue opposes it." if True in signed else "",
            "Bars: each frame's share of the evidence; dots: if all were equal; triangles: the "
            "frames shown.",
        ]
        yield from _lines(" ".join(filter(None, means)), MUTED)
        for letter, panel in zip(_letters(), self.panels, strict=False):
            detail = f" {panel.detail}." if panel.detail else ""
            yield from _lines(f"{letter}  {panel.caption}.{detail}", INK)
            for doubt in panel.doubts:
                yield from _lines(f"Caution! {doubt}", WARNING)


def _lines(text: str, colour: str) -> Iterator[tuple[str, str]]:
    for line in textwrap.wrap(_clean(text), int((WIDTH - GUTTER) / LETTER / TEXT)):
        yield line, colour


def _letters() -> Iterator[str]:
    """The names of the rows: a to z, and then aa, ab, …."""
    yield from string.ascii_lowercase
    for first in string.ascii_lowercase:
        yield from (first + second for second in string.ascii_lowercase)


def _clean(text: str) -> str:
    """The text without what can't be drawn, and what XML forbids: control characters, lines."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
