"""Moving pictures as H.264 in mp4."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from videovisual.render.film import Film
from videovisual.render.panel import Panel
from videovisual.render.sheet import Sheet
from videovisual.utils.extras import needs

if TYPE_CHECKING:
    from av import VideoFrame

X264 = {"crf": "18", "x264-params": "threads=1:mbtree=0:rc-lookahead=0"}
"""Options with which x264 encodes the same frames to the same bytes: with look-ahead or several
threads it does not."""

LARGEST = (4096, 2304)
"""The largest width and height that players decode without trouble; larger sheets are scaled."""

QUICK = {"preset": "veryfast", "bf": "0"}
"""Without B-frames the file lasts exactly as long as the film."""

CLOCK = Fraction(1, 1000)


def to_mp4(panels: Sequence[Panel]) -> bytes:
    """Draw the source and all panels side by side, as an H.264 video that browsers play.

    All source frames of the window are shown, at their own times and in their own size, up to
    900 frames and 4096×2304 pixels. Frames are decoded, drawn and encoded one by one.

    Args:
        panels: at least one, all of the same clip; see `panels`.

    Returns:
        An mp4 file: H.264, yuv420p, timestamps in milliseconds.

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
            instants = _instants(film)
            lengths = {start: end - start for start, end in itertools.pairwise(instants)}
            for frame in itertools.chain(_frames(sheet, film, instants), [None]):
                for packet in stream.encode(frame):
                    packet.duration = lengths[packet.pts or 0]
                    container.mux(packet)
        return path.read_bytes()


def _frames(sheet: Sheet, film: Film, instants: Sequence[int]) -> Iterator[VideoFrame]:
    from av import VideoFrame  # noqa: PLC0415

    for instant, (shot, picture) in zip(instants, film.play(), strict=False):
        frame = VideoFrame.from_ndarray(np.asarray(sheet.picture(shot, picture)), format="rgb24")
        frame.pts, frame.time_base = instant, CLOCK
        yield frame


def _instants(film: Film) -> list[int]:
    """Start of each shot, and end of the last, in milliseconds, strictly increasing."""
    instants: list[int] = []
    for seconds in (*(shot.start_s for shot in film.shots), film.length_s):
        instants.append(max(round(1000 * seconds), instants[-1] + 1 if instants else 0))
    return instants
