"""The filmstrip: frames, the same frames with the map over them, and the temporal curve."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from videovisual.render import legend
from videovisual.render.compose import Box, Brush
from videovisual.render.curve import draw_axis, draw_curve
from videovisual.render.panel import Panel
from videovisual.render.style import GAP, INK, MUTED, PAPER, SMALL, TEXT, TITLE, WARNING
from videovisual.render.text import fitted, wrapped, write
from videovisual.saliency import Map

STRIP_FRAMES = 8
TILE_HEIGHT = 144
TILE_WIDTH = 4 * TILE_HEIGHT
"""The most; wider frames are drawn lower, since a strip of them could take gigabytes."""

MIN_WIDTH = 720
MARGIN = 14
LEGEND_WIDTH = 300
CURVE_HEIGHT = 48
LABEL_HEIGHT = SMALL + 8
AXIS_HEIGHT = SMALL + 10


def strip(panels: Sequence[Panel], count: int = STRIP_FRAMES) -> Image.Image:
    """Draw a filmstrip.

    Each panel shows source frames, the same frames with the map over them, the legend, and each
    frame's share of the saliency over time.

    Args:
        panels: at least one, drawn one below the other; see `panels`.
        count: the most frames shown of each panel; see `choose`.

    Returns:
        A picture of mode RGB.
    """
    rows = [_row(panel, count) for panel in panels]
    width = max(row.width for row in rows)
    sheet = Image.new("RGB", (width, sum(row.height for row in rows)), PAPER)
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet


def to_png(panels: Sequence[Panel]) -> bytes:
    """Draw the filmstrip, as `strip` does, with 8 frames of each panel.

    Returns:
        A PNG file.
    """
    buffer = io.BytesIO()
    strip(panels).save(buffer, "PNG")
    return buffer.getvalue()


def choose(curve: Map, count: int) -> npt.NDArray[np.int64]:
    """Choose frames at even steps, one of which is moved to the strongest frame.

    Methods that follow a network's strides often mark every second frame only, and even steps
    alone could miss all of those. The first and the last frame stay.

    Args:
        curve: shares [T], as of `Saliency.curve`.
        count: number of frames, at most T.

    Returns:
        int64 [count], increasing.
    """
    chosen = np.unique(np.linspace(0, len(curve) - 1, count).round().astype(np.int64))
    strongest = int(curve.argmax())
    if count > 2 and strongest not in chosen:
        chosen[1 + np.abs(chosen[1:-1] - strongest).argmin()] = strongest
    return chosen


def _row(panel: Panel, count: int) -> Image.Image:
    total, high, wide = panel.frames.shape[:3]
    chosen = choose(panel.saliency.curve(), min(count, total))
    shrink = min(TILE_HEIGHT / high, TILE_WIDTH / wide)
    tile, tile_height = max(1, round(wide * shrink)), max(1, round(high * shrink))
    inner = max(len(chosen) * (tile + 2) - 2, MIN_WIDTH)
    warnings = [line for text in panel.doubts for line in wrapped(text, inner, TEXT)]
    head = TITLE + TEXT + 2 * GAP + len(warnings) * (TEXT + 4)
    tiles_end = MARGIN + head + GAP + 2 * (TILE_HEIGHT + 2) + LABEL_HEIGHT
    height = tiles_end + CURVE_HEIGHT + AXIS_HEIGHT + MARGIN
    row = Image.new("RGB", (inner + 2 * MARGIN, height), PAPER)
    _head(row, panel, warnings, inner)
    # The tiles fill the width.
    gaps = max(len(chosen) - 1, 1)
    places = [round(number * (inner - tile) / gaps) for number in range(len(chosen))]
    size = tile, tile_height
    _tiles(row, panel, dict(zip(chosen.tolist(), places, strict=True)), size, MARGIN + head)
    middles = [MARGIN + place + tile // 2 for place in places]
    box = (middles[0], tiles_end, max(middles[-1], middles[0] + 1), tiles_end + CURVE_HEIGHT)
    _timeline(row, panel, box)
    return row


def _head(row: Image.Image, panel: Panel, warnings: Sequence[str], inner: int) -> None:
    pen = ImageDraw.Draw(row)
    room = inner - LEGEND_WIDTH - 3 * GAP
    title = fitted(panel.caption, room, TITLE)
    write(pen, (MARGIN, MARGIN - 2), title, size=TITLE, fill=INK)
    below = MARGIN + TITLE + GAP
    write(pen, (MARGIN, below), fitted(panel.detail, room, TEXT), size=TEXT, fill=MUTED)
    legend.draw_legend(row, (MARGIN + inner - LEGEND_WIDTH, MARGIN), LEGEND_WIDTH, panel.heat)
    for number, line in enumerate(warnings):
        place = (MARGIN, below + TEXT + GAP + number * (TEXT + 4))
        write(pen, place, line, size=TEXT, fill=WARNING)


def _tiles(
    row: Image.Image, panel: Panel, places: Mapping[int, int], size: tuple[int, int], top: int
) -> None:
    """Draw each chosen frame, whose tile begins at its place, twice: bare, and under the map."""
    width, height = size
    pen = ImageDraw.Draw(row)
    brush = Brush(panel.saliency, panel.frames.shape[2], panel.frames.shape[1], panel.heat)
    times = panel.saliency.provenance.get("timestamps")
    curve = panel.curve
    # Enlarged pixels stay sharp squares.
    is_small = panel.frames.shape[1] < height
    resampling = Image.Resampling.NEAREST if is_small else Image.Resampling.LANCZOS
    for index, place in places.items():
        left = MARGIN + place
        frame = panel.frames[index]
        for line, picture in enumerate((frame, brush.over(frame, index))):
            line_top = top + GAP + line * (TILE_HEIGHT + 2) + (TILE_HEIGHT - height) // 2
            tile = Image.fromarray(picture).resize(size, resampling)
            row.paste(tile, (left, line_top))
        label = f"{times[index]:.2f} s" if times else f"frame {panel.numbers[index]}"
        text = fitted(f"{label},  {100 * curve[index]:.0f}%", width, SMALL)
        below = top + GAP + 2 * (TILE_HEIGHT + 2) + 3
        write(pen, (left + width / 2, below), text, size=SMALL, fill=INK, anchor="ma")


def _timeline(row: Image.Image, panel: Panel, box: Box) -> None:
    curve = panel.curve
    times = panel.saliency.provenance.get("timestamps")
    clock = list(times) if times else _counted(panel.numbers)
    span = max(clock[-1] - clock[0], 1e-9)
    draw_axis(row, box, (clock[0], clock[-1]), "s" if times else "", grid=True)
    draw_curve(row, box, curve, [(instant - clock[0]) / span for instant in clock])
    pen = ImageDraw.Draw(row)
    highest = f"{100 * float(curve.max()):.0f}%"
    if box[0] > MARGIN + 34:
        write(pen, (box[0] - 5, box[1]), highest, size=SMALL, fill=MUTED, anchor="ra")
        write(pen, (box[0] - 5, box[3]), "0", size=SMALL, fill=MUTED, anchor="rs")
        write(pen, (box[2] + 5, box[1]), "of all", size=SMALL, fill=MUTED)
        write(pen, (box[2] + 5, box[3]), "dots: even", size=SMALL, fill=MUTED, anchor="ls")


def _counted(numbers: Sequence[int]) -> list[float]:
    """Numbers of frames, where those of one that is repeated share its place."""
    seen = Counter(numbers)
    turns: Counter[int] = Counter()
    clock = []
    for number in numbers:
        clock.append(number + turns[number] / seen[number])
        turns[number] += 1
    return clock
