"""The report: a self-contained HTML page that shows an answer and its explanations."""

import base64
import hashlib
import html
import io
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from importlib import resources
from string import Template
from typing import Any

import numpy as np
from PIL import Image

from videovisual.clips.source import Frames
from videovisual.protocol import Answer, Explanation
from videovisual.protocol.caveats import caveats
from videovisual.render.colour import DIVERGING, SEQUENTIAL, signed_levels
from videovisual.render.compose import STRENGTH, crop_box
from videovisual.render.film import Film
from videovisual.render.heat import Heat
from videovisual.render.panel import Panel
from videovisual.render.terms import DIAGNOSTICS, MEASURES
from videovisual.saliency import Map
from videovisual.version import __version__

PAGE = resources.files("videovisual.render") / "page"

MAX_FRAMES = 300
MAX_SIDE = 640
MAX_PIXELS = 40_000_000
"""Of all frames together, about 8 MB as JPEG; the frames of a longer film are scaled down."""

JPEG_QUALITY = 82
FINE_QUALITY = 95
FINE_PIXELS = 200 * 200
"""Frames up to this size get the better quality: they are shown enlarged, and cost little."""

MAX_MAP_SIDE = 128
"""Maps are smoothed by 1% of their side, so finer ones show no more."""

MAX_MAP_PIXELS = 24_000_000
"""Of all maps together."""


def to_html(
    answer: Answer,
    panels: Sequence[Panel],
    *,
    name: str | None = None,
    made: datetime | None = None,
) -> bytes:
    """Make a page with player, curve, classes, diagnostics and provenance.

    The page holds the frames (JPEG, at most 300) and the maps (8-bit PNG). It loads nothing from
    the network: its content security policy forbids that.

    Args:
        answer: the answer to report.
        panels: one for each of `answer.explanations`, in the same order; see `panels`.
        name: the clip's, such as that of its file; the page doesn't name it unless given.
        made: when the page is made; likewise.

    Returns:
        The HTML in UTF-8.

    Raises:
        TooLarge, MalformedClip: the source's frames can't be decoded.
    """
    style = (PAGE / "report.css").read_text("utf-8")
    script = (PAGE / "report.js").read_text("utf-8")
    labels = ", ".join(dict.fromkeys(each.target.label for each in answer.explanations))
    page = Template((PAGE / "report.html").read_text("utf-8")).substitute(
        policy=policy(style, script),
        title=html.escape(", ".join(filter(None, (f"{labels}: {answer.model}", name)))),
        summaries="".join(f"<p>{html.escape(each.summary)}</p>" for each in answer.explanations),
        style=style,
        script=script,
        data=embedded(report_data(answer, panels, name=name, made=made)),
    )
    return page.encode("utf-8", "replace")


def report_data(
    answer: Answer,
    panels: Sequence[Panel],
    *,
    name: str | None = None,
    made: datetime | None = None,
    frames: int | None = None,
    side: int | None = None,
) -> dict[str, Any]:
    """The data of the page, as JSON types.

    Args:
        answer, panels, name, made: as of `to_html`, as are the errors.
        frames: the most of the film; `MAX_FRAMES` if None.
        side: the longer one of a frame, at most, in pixels; `MAX_SIDE` if None.
    """
    film = panels[0].shown.thinned(frames or MAX_FRAMES)
    map_side = _map_side([panel.saliency.map for panel in panels])
    return {
        "version": __version__,
        "name": name,
        "made": None if made is None else f"{made.astimezone(timezone.utc):%Y-%m-%d %H:%M} UTC",
        "model": answer.model,
        "predictions": [item.model_dump(mode="json") for item in answer.predictions],
        "clip": plain(answer.clip),
        "film": _film(film, side or MAX_SIDE),
        "maps": [
            _map(panel, explanation, film, map_side)
            for panel, explanation in zip(panels, answer.explanations, strict=True)
        ],
        "ramps": {
            "sequential": base64.b64encode(SEQUENTIAL.tobytes()).decode(),
            "diverging": base64.b64encode(DIVERGING.tobytes()).decode(),
        },
        "strength": STRENGTH,
        "terms": {"diagnostics": DIAGNOSTICS, "measures": MEASURES},
    }


def policy(style: str, *scripts: str) -> str:
    """A content security policy for pages that hold all they show, as an attribute's text."""
    digests = " ".join(f"'{_digest(script)}'" for script in scripts)
    text = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src '{_digest(style)}'; script-src {digests}"
    )
    return html.escape(text, quote=True)


def embedded(data: Any) -> str:
    """JSON for a script element, which no label or parameter in it can end."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def still(frame: Frames, side: int) -> str:
    """A frame as the URL of a small JPEG.

    Args:
        frame: uint8 [H, W, 3], RGB.
        side: the longer one of the picture, at most, in pixels.
    """
    picture = Image.fromarray(frame)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return _data_url(picture, "jpeg", quality=JPEG_QUALITY)


def plain(value: Any) -> Any:
    """Convert to JSON types: keys become strings, and so do numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _film(film: Film, side: int) -> dict[str, Any]:
    room = MAX_PIXELS / (len(film.shots) * film.width * film.height)
    scale = min(1.0, side / max(film.width, film.height), math.sqrt(room))
    size = max(1, round(film.width * scale)), max(1, round(film.height * scale))
    fine = size[0] * size[1] <= FINE_PIXELS
    quality = {"quality": FINE_QUALITY, "subsampling": 0} if fine else {"quality": JPEG_QUALITY}
    shots = [
        {
            # `resize` to the picture's own size returns a copy.
            "picture": _data_url(
                Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS), "jpeg", **quality
            ),
            "frame": shot.frame,
            "held": shot.held,
            "seen": shot.seen,
            "start": round(shot.start_s, 6),
        }
        for shot, frame in film.play()
    ]
    return {
        "width": size[0],
        "height": size[1],
        "source_width": film.width,
        "source_height": film.height,
        "length": round(film.length_s, 6),
        "origin": film.origin_s,
        "shots": shots,
    }


def _map(panel: Panel, explanation: Explanation, film: Film, side: int) -> dict[str, Any]:
    heat = panel.heat
    width, height = film.width, film.height
    left, top, right, bottom = crop_box(panel.saliency, width, height)
    atlas, columns, tile = _atlas(heat, side)
    return {
        "method": explanation.method,
        "target": explanation.target.model_dump(mode="json"),
        "summary": explanation.summary,
        "signed": heat.signed,
        "low": heat.low,
        "full": heat.full,
        "unit": heat.unit,
        "atlas": atlas,
        "columns": columns,
        "tile": tile,
        "crop": [left / width, top / height, right / width, bottom / height],
        "curve": [round(float(share), 6) for share in panel.curve],
        "doubts": list(caveats(explanation)),
        "diagnostics": plain(explanation.diagnostics),
        "faithfulness": plain(explanation.faithfulness or {}),
        "provenance": plain(explanation.provenance),
    }


def _atlas(heat: Heat, side: int) -> tuple[str, int, list[int]]:
    """All frames of a map as 8-bit levels in one PNG: its URL, its columns, a tile's size."""
    count, height, width = heat.level.shape
    scale = min(1.0, side / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    columns = math.ceil(math.sqrt(count))
    board = np.zeros((-(-count // columns) * size[1], columns * size[0]), np.uint8)
    for place, level in enumerate(heat.level):
        small = np.asarray(Image.fromarray(level).resize(size, Image.Resampling.BILINEAR))
        values = signed_levels(small) if heat.signed else (255 * small).round().astype(np.uint8)
        row, column = divmod(place, columns)
        top, left = row * size[1], column * size[0]
        board[top : top + size[1], left : left + size[0]] = values
    return _data_url(Image.fromarray(board), "png"), columns, list(size)


def _map_side(maps: Sequence[Map]) -> int:
    total = sum(values.shape[0] * MAX_MAP_SIDE**2 for values in maps)
    return max(8, int(MAX_MAP_SIDE * min(1.0, math.sqrt(MAX_MAP_PIXELS / total))))


def _data_url(picture: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
