"""Moving pictures as H.264 in mp4."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videovisual.render.film import Film
from videovisual.render.panel import Panel
from videovisual.render.sheet import Sheet
from videovisual.utils.extras import needs

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

X264 = {"crf": "18", "x264-params": "threads=1:mbtree=0:rc-lookahead=0"}
"""With its look-ahead, or with several threads, x264 makes other bytes of the same frames."""

LARGEST = (4096, 2304)
"""What players decode without trouble; larger sheets are made of smaller frames."""

QUICK = {"preset": "veryfast", "bf": "0"}
"""Without frames that are decoded out of order the file's length is the film's, exactly."""

CLOCK = Fraction(1, 1000)


def to_mp4(panels: Sequence[Panel]) -> bytes:
    """The source and all panels side by side, as H.264 that browsers play.

    All source frames of the window are shown, at their own times and in their own size (see
    `Film` and `Sheet` for what happens at the edges of that), one being decoded, drawn and
    encoded after the other.

    Raises:
        MissingExtra: PyAV is not installed.
        TooLarge, MalformedClip: the source's frames can't be decoded.
    """
    with needs("video", "Without it, ask for gif or html."):
        import av  # noqa: PLC0415
    film = panels[0].shown
    sheet = Sheet(panels, film, LARGEST)
    with tempfile.TemporaryDirectory(prefix="videovisual-") as folder:
        # An index at the front, so that a browser plays while it loads, needs a real file.
        path = Path(folder, "overlay.mp4")
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        with av.open(str(path), "w", format="mp4", container_options=options) as container:
            stream = container.add_stream("libx264", rate=1000, options=X264 | QUICK)
            stream.width, stream.height = sheet.size
            stream.pix_fmt = "yuv420p"
            stream.codec_context.time_base = CLOCK
            stream.codec_context.flags |= av.codec.context.Flags.bitexact
            _encode(container, stream, sheet, film)
        return path.read_bytes()


def _encode(container: OutputContainer, stream: VideoStream, sheet: Sheet, film: Film) -> None:
    from av import VideoFrame  # noqa: PLC0415

    instants = _instants(film)
    shown = {start: end - start for start, end in itertools.pairwise(instants)}
    for instant, (shot, picture) in zip(instants, film.play(), strict=False):
        frame = VideoFrame.from_ndarray(np.asarray(sheet.picture(shot, picture)), format="rgb24")
        frame.pts = instant
        frame.time_base = CLOCK
        for packet in stream.encode(frame):
            packet.duration = shown[packet.pts or 0]
            container.mux(packet)
    for packet in stream.encode(None):
        packet.duration = shown[packet.pts or 0]
        container.mux(packet)


def _instants(film: Film) -> list[int]:
    """When each shot begins, and the last ends, in milliseconds, no two at the same."""
    instants: list[int] = []
    for seconds in (*(shot.start_s for shot in film.shots), film.length_s):
        instants.append(max(round(1000 * seconds), instants[-1] + 1 if instants else 0))
    return instants
