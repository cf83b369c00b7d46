"""The small pictures of the viewer: a clip before it is explained, a map during its search."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from videovisual import clips
from videovisual.attribution import catalogue
from videovisual.render.heat import Heat
from videovisual.render.thumbnail import thumbnail
from videovisual.saliency import Map, Saliency

SHOWN = 4
"""Frames side by side, as `thumbnail` draws them."""

SIDE = 112
"""Height of a frame of a map, in pixels."""


def opened(path: Path) -> tuple[str, bytes]:
    """What a clip is, in words, and a JPEG of four of its frames.

    Raises:
        VideoVisualError: this is no clip.
    """
    source = clips.open_path(path)
    info = source.info
    indices = np.linspace(0, info.frame_count - 1, min(SHOWN, info.frame_count)).round()
    frames = source.read([int(index) for index in indices])
    count = f"{info.frame_count} frame{'s' * (info.frame_count != 1)}"
    length = [] if info.duration_s is None else [f"{info.duration_s:.2f} s"]
    words = [info.format, f"{info.width} × {info.height}", *length, count]
    return ", ".join(words), thumbnail(frames, None)


def of_partial(method: str | None, values: Map) -> str:
    """A map during its search, float32 [T, H, W]: the URL of a PNG of four of its frames."""
    signed = bool(method) and catalogue.find(str(method)).signed
    heat = Heat.of(Saliency(values, signed))
    places = sorted({int(at) for at in np.linspace(0, len(values) - 1, SHOWN).round()})
    lit = heat.colours(heat.level[places]) * heat.strength()[places, ..., None]
    strip = Image.fromarray(np.concatenate(list(lit.astype(np.uint8)), axis=1))
    buffer = io.BytesIO()
    strip.resize((round(strip.width * SIDE / strip.height), SIDE)).save(buffer, "png")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
