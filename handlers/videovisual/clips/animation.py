"""Animated pictures with the times of their frames, and those of WebP."""

import io
import struct
from collections.abc import Generator, Sequence
from functools import partial

import numpy as np

from videovisual.clips.limits import Limits
from videovisual.clips.source import Frames, Source, SourceInfo
from videovisual.clips.stills import opened, rgb
from videovisual.errors import MalformedClip
from videovisual.utils.animation import webp_chunks

SHORTEST_S = 0.01
"""A frame that is said to last this long or less lasts `CLAMPED_S`, as browsers show it."""

CLAMPED_S = 0.1


class AnimationSource(Source):
    """An animated picture in memory.

    Opening reads headers only. A read composes all frames up to the last wanted one, as every
    player must. Transparent pixels are laid over black.

    Args:
        name: the `SourceInfo.format`.
        size: width and height of the canvas, in pixels.
        durations: of each frame, in seconds.
        sha256: the `SourceInfo.sha256`.
        limits: what the clip may cost.

    Raises:
        MalformedClip: there are no frames.
        TooLarge: over one of the limits.
    """

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        durations: Sequence[float],
        sha256: str,
        limits: Limits,
    ) -> None:
        if not durations:
            raise MalformedClip("The animation has no frames. Send it again.")
        limits.check_pixels(*size)
        limits.check_frames(len(durations))
        ends = np.cumsum([CLAMPED_S if each <= SHORTEST_S else each for each in durations])
        end = float(ends[-1])
        limits.check_seconds(end)
        info = SourceInfo(name, name, *size, len(ends), end, len(ends) / end, sha256)
        super().__init__(info, np.concatenate(([0.0], ends[:-1])), limits)


class WebpSource(AnimationSource):
    """An animated WebP, which libwebp composes.

    Raises:
        MalformedClip: cut short or damaged.
        TooLarge: over one of the limits.
    """

    def __init__(self, data: bytes, sha256: str, limits: Limits) -> None:
        self.data = data
        durations = []
        size = (0, 0)
        file = io.BytesIO(data)
        (declared,) = struct.unpack_from("<I", data, 4)
        if declared + 8 > len(data):
            raise MalformedClip("The WebP is cut: it says that it is longer. Send it again.")
        for kind, length in webp_chunks(file):
            head = file.read(min(length, 16)).ljust(16, b"\0")
            if kind == b"VP8X":
                size = _three(head, 4) + 1, _three(head, 7) + 1
            elif kind == b"ANMF":
                durations.append(_three(head, 12) / 1000)
        super().__init__("webp", size, durations, sha256, limits)

    def _decode(self, wanted: Sequence[int]) -> Generator[tuple[int, Frames], None, None]:
        with opened("The WebP", partial(io.BytesIO, self.data)) as image:
            for index in wanted:
                image.seek(index)
                yield index, rgb(image)


def _three(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 3], "little")
