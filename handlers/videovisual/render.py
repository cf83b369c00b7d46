"""Saliency as pictures: a strip of frames, and a video. Imports no torch."""

from __future__ import annotations

import io
import itertools
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from videovisual.errors import MissingExtra
from videovisual.protocol import Answer
from videovisual.saliency import Map, Saliency

Frames = npt.NDArray[np.uint8]

SEQUENTIAL = (
    (0, 0, 4),
    (40, 11, 84),
    (101, 21, 110),
    (159, 42, 99),
    (212, 72, 66),
    (245, 125, 21),
    (250, 193, 39),
    (252, 255, 164),
)
"""Dark violet to pale yellow: even steps in lightness, readable without colour vision."""

DIVERGING = (
    (33, 102, 172),
    (103, 169, 207),
    (209, 229, 240),
    (247, 247, 247),
    (253, 219, 199),
    (239, 138, 98),
    (178, 24, 43),
)
"""Blue (against the target) through white to red (for it)."""

X264 = {"crf": "18", "x264-params": "threads=1:mbtree=0:rc-lookahead=0"}
"""With its look-ahead, or with several threads, x264 makes other bytes of the same frames."""

STRENGTH = 0.75
CLIPPED_SHARE = 0.005
DRAWN_BLUR = 0.01
STRIP_FRAMES = 8
TILE_HEIGHT = 144
CAPTION_HEIGHT = 18
FALLBACK_FPS = 8.0


@dataclass(frozen=True)
class Panel:
    """One saliency to be drawn over its source frames.

    Attributes:
        saliency: what is drawn.
        frames: uint8 [T, H, W, 3], the source frames that the map's frames belong to.
        caption: what stands above it.
    """

    saliency: Saliency
    frames: Frames
    caption: str


def panels(answer: Answer, saliencies: Sequence[Saliency], frames: Frames) -> list[Panel]:
    """One panel a saliency of the answer, over the frames that the model saw."""
    return [
        Panel(
            saliency,
            frames,
            f"{answer.model}  {explanation.method}  "
            f"{explanation.target.label} ({100 * explanation.target.probability:.1f}%)",
        )
        for saliency, explanation in zip(saliencies, answer.explanations, strict=True)
    ]


def colours(
    values: npt.NDArray[np.floating[Any]], anchors: Sequence[tuple[int, int, int]]
) -> Frames:
    """Values in [0, 1] of any shape → uint8 [..., 3], linear between the anchors."""
    table = np.array(anchors, dtype=np.float32)
    positions = np.linspace(0, 1, len(table))
    channels = [np.interp(values, positions, table[:, channel]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def smooth(values: Map) -> Map:
    """Each frame of [T, H, W] blurred by a Gaussian of 1% of its side, for the eye alone.

    Single pixels of a gradient map cannot be seen over a picture; the numbers stay as they are.
    """
    for axis in (1, 2):
        sigma = DRAWN_BLUR * values.shape[axis]
        radius = round(3 * sigma)
        if radius == 0:
            continue
        weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
        padding = [(radius, radius) if side == axis else (0, 0) for side in range(3)]
        padded = np.pad(values, padding, mode="edge")
        values = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis) @ (
            weights / weights.sum()
        ).astype(np.float32)
    return values


def heat(saliency: Saliency) -> tuple[Frames, Map]:
    """Colour uint8 [T, H, W, 3] and opacity float32 [T, H, W] in [0, 1].

    The full colour stands for the |value| that all but 0.5% of the smoothed map stay below.
    """
    drawn = smooth(saliency.map)
    magnitude = np.abs(drawn)
    full = float(np.quantile(magnitude, 1 - CLIPPED_SHARE)) or float(magnitude.max()) or 1.0
    level = np.clip(drawn / full, -1, 1)
    strength = np.abs(level).astype(np.float32)
    if saliency.signed:
        return colours((level + 1) / 2, DIVERGING), strength
    return colours(strength, SEQUENTIAL), strength


def overlay(saliency: Saliency, frames: Frames) -> Frames:
    """The heat over the source frames, in the crop that the model saw; the rest is dimmed.

    Args:
        saliency: map [T, h, w]; its provenance says where the crop lies.
        frames: uint8 [T, H, W, 3].

    Returns:
        uint8 [T, H, W, 3].
    """
    colour, opacity = heat(saliency)
    left, top, right, bottom = _crop_box(saliency, frames)
    size = (right - left, bottom - top)
    out = (frames * 0.45).astype(np.uint8)
    for index, frame in enumerate(frames):
        picture = np.asarray(Image.fromarray(colour[index]).resize(size, Image.Resampling.BILINEAR))
        alpha = Image.fromarray(opacity[index]).resize(size, Image.Resampling.BILINEAR)
        weight = STRENGTH * np.asarray(alpha)[..., None]
        seen = frame[top:bottom, left:right]
        out[index, top:bottom, left:right] = (seen * (1 - weight) + picture * weight).round()
    return out


def _crop_box(saliency: Saliency, frames: Frames) -> tuple[int, int, int, int]:
    height, width = frames.shape[1:3]
    crop = saliency.provenance.get("crop")
    if crop is None:
        return 0, 0, width, height
    left, top = round(crop["left"]), round(crop["top"])
    right, bottom = round(crop["left"] + crop["width"]), round(crop["top"] + crop["height"])
    return max(left, 0), max(top, 0), min(right, width), min(bottom, height)


def strip(panels: Sequence[Panel], count: int = STRIP_FRAMES) -> Image.Image:
    """A filmstrip: for each panel the source frames, and the same with the heat over them.

    Args:
        panels: drawn one under the other.
        count: at most so many frames, evenly chosen.
    """
    font = _font()
    rows: list[Image.Image] = []
    for panel in panels:
        total = len(panel.frames)
        chosen = np.unique(np.linspace(0, total - 1, min(count, total)).round().astype(int))
        width = max(1, round(TILE_HEIGHT * panel.frames.shape[2] / panel.frames.shape[1]))
        drawn = overlay(panel.saliency, panel.frames)
        row = Image.new("RGB", (width * len(chosen), 2 * TILE_HEIGHT + 2 * CAPTION_HEIGHT), "white")
        pen = ImageDraw.Draw(row)
        pen.text((4, 2), panel.caption, fill="black", font=font)
        curve = panel.saliency.curve()
        for column, index in enumerate(chosen):
            for line, picture in enumerate((panel.frames[index], drawn[index])):
                tile = Image.fromarray(picture).resize((width, TILE_HEIGHT))
                row.paste(tile, (column * width, CAPTION_HEIGHT + line * TILE_HEIGHT))
            _caption(pen, panel.saliency, int(index), curve, column * width, row.height, font)
        rows.append(row)
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(r.height for r in rows)), "white")
    at = 0
    for row in rows:
        sheet.paste(row, (0, at))
        at += row.height
    return sheet


def _caption(
    pen: ImageDraw.ImageDraw,
    saliency: Saliency,
    index: int,
    curve: Map,
    left: int,
    bottom: int,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    times = saliency.provenance.get("timestamps")
    name = f"{times[index]:.2f} s" if times else f"frame {index}"
    text = f"{name}  {100 * curve[index]:.0f}%"
    pen.text((left + 4, bottom - CAPTION_HEIGHT + 2), text, fill="black", font=font)


def _font() -> ImageFont.ImageFont | ImageFont.FreeTypeFont:
    return ImageFont.load_default(size=12)


def to_png(panels: Sequence[Panel]) -> bytes:
    """The filmstrip as PNG."""
    buffer = io.BytesIO()
    strip(panels).save(buffer, "PNG")
    return buffer.getvalue()


def to_npz(answer: Answer, saliencies: Sequence[Saliency]) -> bytes:
    """The first saliency as in `Saliency.to_npz`, further maps as `map_1`, …, and the answer."""
    summary = answer.model_dump(
        mode="json", exclude={"explanations": {"__all__": {"map", "provenance"}}}
    )
    more: dict[str, npt.NDArray[Any]] = {
        f"map_{index}": saliency.map for index, saliency in enumerate(saliencies[1:], start=1)
    }
    more["curve"] = saliencies[0].curve()
    more["answer"] = np.array(json.dumps(summary, sort_keys=True))
    return saliencies[0].to_npz(**more)


def to_mp4(panels: Sequence[Panel]) -> bytes:
    """Source and overlay side by side, panel beside panel, as H.264 that browsers play.

    Frames keep the timing of the clip, or 8 a second where it has none.

    Raises:
        MissingExtra: PyAV is not installed.
    """
    try:
        import av  # noqa: PLC0415
    except ImportError:
        raise MissingExtra(
            "Writing mp4 needs PyAV: pip install 'videovisual[video]'.", extra="video"
        ) from None
    pictures = [panels[0].frames, *(overlay(panel.saliency, panel.frames) for panel in panels)]
    wide = np.concatenate(pictures, axis=2)
    # H.264 in 4:2:0 has no odd sizes.
    wide = wide[:, : wide.shape[1] // 2 * 2, : wide.shape[2] // 2 * 2]
    with tempfile.TemporaryDirectory(prefix="videovisual-") as folder:
        # An index at the front, so that a browser plays while it loads, needs a real file.
        path = Path(folder, "overlay.mp4")
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with av.open(str(path), "w", format="mp4", container_options=options) as container:
            stream = container.add_stream("libx264", rate=1000, options=X264)
            stream.width, stream.height = wide.shape[2], wide.shape[1]
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
            instants = _milliseconds(panels[0])
            frames = []
            for instant, picture in zip(instants, wide, strict=True):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts = instant
                frame.time_base = Fraction(1, 1000)
                frames.append(frame)
            shown = dict(zip(instants, _durations(instants), strict=True))
            for flushed in (*frames, None):
                for packet in stream.encode(flushed):
                    packet.duration = shown[packet.pts or 0]
                    container.mux(packet)
        return path.read_bytes()


def _milliseconds(panel: Panel) -> list[int]:
    times = panel.saliency.provenance.get("timestamps")
    if not times or len(set(times)) != len(times):
        return [round(1000 * index / FALLBACK_FPS) for index in range(len(panel.frames))]
    return [round(1000 * (instant - times[0])) for instant in times]


def _durations(instants: Sequence[int]) -> list[int]:
    """How long each frame is shown; the last as long as the middle one of the others."""
    gaps = [later - earlier for earlier, later in itertools.pairwise(instants)]
    return [*gaps, sorted(gaps)[len(gaps) // 2] if gaps else round(1000 / FALLBACK_FPS)]
