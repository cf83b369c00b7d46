"""Several windows of one long clip: views spread over it, or one for each of its seconds.

Windows are decoded a piece at a time, so that memory does not grow with the clip's length.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from videovisual import clips
from videovisual.clips import Clip, Sampling, Source
from videovisual.clips.limits import MIB
from videovisual.errors import InvalidParameter

MAX_SECONDS = 600
"""The most seconds that one timeline may have."""

PIECE_BYTES = 64 * MIB
"""Bytes of decoded frames held at once; a single window may be larger."""

UNTIMED_WINDOW_S = 1.0
"""The window of a model without a frame rate: the second itself."""

SLACK_S = 0.001
"""A remainder of at most this many seconds gets no window, because durations are rounded."""

Indices = Sequence[int]
"""Indices of a source's frames, from 0."""


@dataclass(frozen=True)
class Second:
    """A second of the clip, or the remainder at its end, and the frames that the model sees.

    Attributes:
        start_s, end_s: in seconds from the first frame.
        indices: the source frames of its window, in presentation order.
        window: where its window begins and ends, in seconds from the first frame.
    """

    start_s: float
    end_s: float
    indices: tuple[int, ...]
    window: tuple[float, float]


def window_length(sampling: Sampling) -> float:
    """Length of a timeline's windows, in seconds."""
    return sampling.frames / sampling.fps if sampling.fps is not None else UNTIMED_WINDOW_S


def seconds(source: Source, sampling: Sampling) -> list[Second]:
    """Plan one window for each second of the range, and for the remainder at its end.

    A window is centred on its second and as long as the model's clip, `window_length(sampling)`;
    at both ends of the range it is moved inwards, and it is never longer than the range.

    Raises:
        ClipTooShort: fewer than `sampling.min_frames` frames in the range.
        InvalidParameter: the frames have no timestamps, the clip has no such range, or the range
            is longer than `MAX_SECONDS`.
    """
    info, times = source.info, source.times
    if times is None or info.duration_s is None:
        raise InvalidParameter(
            "A timeline needs frames that carry a time, and these don't. Send a video, or an npz "
            "with `fps` or `timestamps`.",
            parameter="timeline",
        )
    clips.plan(times, info.frame_count, sampling, info.duration_s)
    start = sampling.start_s or 0.0
    end = min(sampling.end_s or info.duration_s, info.duration_s)
    count = max(1, math.ceil(end - start - SLACK_S))
    if count > MAX_SECONDS:
        raise InvalidParameter(
            f"The range has {end - start:.1f} s; a timeline has at most {MAX_SECONDS} s. Choose a "
            "part with start_s and end_s.",
            parameter="timeline",
            seconds=end - start,
            maximum=MAX_SECONDS,
        )
    length = min(window_length(sampling), end - start)
    found = []
    for number in range(count):
        begins = start + number
        ends = end if number == count - 1 else begins + 1
        left = min(max((begins + ends - length) / 2, start), end - length)
        # A window of a slow video may show fewer frames than the range must have.
        part = replace(sampling, start_s=left, end_s=left + length, min_frames=1)
        (indices,) = clips.plan(times, info.frame_count, part, info.duration_s)
        found.append(Second(begins, ends, tuple(indices), (left, left + length)))
    return found


def read(source: Source, windows: Sequence[Indices], held: int = PIECE_BYTES) -> Iterator[Clip]:
    """Decode windows in order; neighbouring windows share their decoded frames.

    Args:
        source: the clip.
        windows: the indices of the source frames of each window.
        held: bytes of decoded frames held at once, unless a single window takes more.

    Raises:
        TooLarge, MalformedClip: as `Source.read`.
    """
    room = held // (source.info.width * source.info.height * 3)
    for piece in _pieces(windows, room):
        wanted = sorted(set().union(*piece))
        places = {index: place for place, index in enumerate(wanted)}
        frames = source.read(wanted)
        for window in piece:
            yield Clip.of(source, window, frames[[places[index] for index in window]])
        # Frees this piece before the next one is read.
        del frames


def _pieces(windows: Sequence[Indices], room: int) -> Iterator[list[Indices]]:
    """Split the windows into runs of at most `room` different frames, or of one window."""
    piece: list[Indices] = []
    frames: set[int] = set()
    for window in windows:
        more = frames.union(window)
        if piece and len(more) > room:
            yield piece
            piece, more = [], set(window)
        piece.append(window)
        frames = more
    if piece:
        yield piece
