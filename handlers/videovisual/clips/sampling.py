"""Which frames of a clip a model sees."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from videovisual.clips.source import Frames, Source, SourceInfo, Times
from videovisual.errors import ClipTooShort, InvalidParameter

MAX_SAMPLED = 10_000
"""The most frames that one sampling may ask for, all views together."""

SNAP_S = 1e-6
"""An instant this close before a frame begins, in seconds, shows that frame already, so that
rounding doesn't decide where instants and frames coincide."""

END_SLACK_S = 0.001
"""`end_s` may be this much past the end: people copy durations rounded to milliseconds."""


@dataclass(frozen=True)
class Sampling:
    """How frames are chosen, by time.

    Attributes:
        frames: frames of one view.
        fps: frames a second; a view is then a window of `frames / fps` seconds, or the whole
            range where that is shorter, and the windows lie evenly in the range, a single one in
            its middle. None cuts the range into `views` equal windows. Ignored where the frames
            carry no time.
        start_s, end_s: the range, in seconds from the first frame; the whole clip by default.
        min_frames: the fewest source frames that must be shown in the range.
        views: number of views.

    Raises:
        InvalidParameter: a value out of its range.
    """

    frames: int
    fps: float | None = None
    start_s: float | None = None
    end_s: float | None = None
    min_frames: int = 2
    views: int = 1

    def __post_init__(self) -> None:
        for name in ("frames", "min_frames", "views"):
            if getattr(self, name) < 1:
                raise _invalid(name, getattr(self, name), "at least 1")
        if self.frames * self.views > MAX_SAMPLED:
            raise _invalid("frames × views", self.frames * self.views, f"at most {MAX_SAMPLED}")
        if self.fps is not None and not (math.isfinite(self.fps) and self.fps > 0):
            raise _invalid("fps", self.fps, "a positive number of frames a second")
        for name in ("start_s", "end_s"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise _invalid(name, value, "0 or more seconds from the first frame")
        if None not in (self.start_s, self.end_s) and (self.start_s or 0) >= (self.end_s or 0):
            raise _invalid("start_s", self.start_s, f"less than end_s, {self.end_s}")


@dataclass(frozen=True)
class Clip:
    """The frames that a model sees of a source.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB.
        indices: which source frame each is, in presentation order.
        timestamps: when each source frame begins, in seconds from the first; None where the
            frames carry no time.
        source: what they were taken from.
    """

    frames: Frames
    indices: tuple[int, ...]
    timestamps: tuple[float, ...] | None
    source: SourceInfo


def sample(source: Source, sampling: Sampling) -> list[Clip]:
    """Choose frames of `source` and decode them, all views in one pass.

    Raises:
        ClipTooShort: fewer than `sampling.min_frames` frames in the range.
        InvalidParameter: a range that the clip doesn't have.
        TooLarge, MalformedClip: as `Source.read`.
    """
    info, times = source.info, source.times
    views = plan(times, info.frame_count, sampling, info.duration_s)
    frames = source.read([index for view in views for index in view])
    return [
        Clip(
            frames=frames[number * sampling.frames : (number + 1) * sampling.frames],
            indices=tuple(view),
            timestamps=None if times is None else tuple(times[view].tolist()),
            source=info,
        )
        for number, view in enumerate(views)
    ]


def plan(
    times: Times | None,
    frame_count: int,
    sampling: Sampling,
    duration_s: float | None = None,
) -> list[list[int]]:
    """The source frames of each view.

    Of timed frames, those are taken that are shown in the middle of each of `frames` equal
    segments of the view's window, `(k + 0.5) / fps` seconds from its start where `fps` is given;
    the frame shown is the last that has begun. Untimed frames are spread by number: frame
    `floor((k + 0.5) * frame_count / frames)`.

    Args:
        times: float64 [frame_count], seconds from the first frame; None for untimed frames.
        frame_count: frames in the source.
        sampling: what is wanted.
        duration_s: when the last frame ends; by default it is shown for the median gap.

    Returns:
        `sampling.views` lists of `sampling.frames` indices, each in increasing order.

    Raises:
        ClipTooShort: fewer than `sampling.min_frames` frames in the range.
        InvalidParameter: the range begins or ends past the end, or the frames carry no time.
    """
    if times is None:
        return _plan_untimed(frame_count, sampling)
    gap = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    start, end = _range(sampling, float(times[-1]) + gap if duration_s is None else duration_s)
    snap = min(SNAP_S, gap / 4)
    first = max(int(np.searchsorted(times, start + snap)) - 1, 0)
    last = max(int(np.searchsorted(times, end - snap)) - 1, first)
    _check_count(last - first + 1, sampling, f"{start:.3f} s to {end:.3f} s")
    begins, length = _windows(sampling, start, end)
    steps = (np.arange(sampling.frames) + 0.5) * (length / sampling.frames)
    views = []
    for begin in begins:
        shown = np.searchsorted(times, begin + steps + snap, side="right") - 1
        views.append(shown.tolist())
    return views


def _windows(sampling: Sampling, start: float, end: float) -> tuple[list[float], float]:
    """When each view begins, and how long all of them are, in seconds."""
    if sampling.fps is None:
        length = (end - start) / sampling.views
        return [start + view * length for view in range(sampling.views)], length
    length = min(sampling.frames / sampling.fps, end - start)
    slack = end - start - length
    views = range(sampling.views)
    return [start + slack * (view + 0.5) / sampling.views for view in views], length


def _plan_untimed(frame_count: int, sampling: Sampling) -> list[list[int]]:
    if sampling.start_s is not None or sampling.end_s is not None:
        raise InvalidParameter(
            "start_s and end_s need frames that carry a time, and these don't. Send a video, or "
            "an npz with `fps` or `timestamps`, or choose the frames yourself.",
        )
    _check_count(frame_count, sampling, "the whole clip")
    steps = sampling.frames * sampling.views
    every = [(2 * step + 1) * frame_count // (2 * steps) for step in range(steps)]
    return [every[start : start + sampling.frames] for start in range(0, steps, sampling.frames)]


def _range(sampling: Sampling, total: float) -> tuple[float, float]:
    start = 0.0 if sampling.start_s is None else sampling.start_s
    end = total if sampling.end_s is None else sampling.end_s
    if end > total + END_SLACK_S:
        raise _invalid("end_s", end, f"at most {total:.3f}, where the clip ends")
    if start >= total > 0:
        raise _invalid("start_s", start, f"less than {total:.3f}, where the clip ends")
    return start, min(end, total)


def _check_count(count: int, sampling: Sampling, where: str) -> None:
    if count < sampling.min_frames:
        raise ClipTooShort(
            f"There {'is' if count == 1 else 'are'} {count} frame{'s' * (count != 1)} in {where}; "
            f"the model needs at least {sampling.min_frames}. Send a longer clip or widen start_s "
            "and end_s.",
            found=count,
            min_frames=sampling.min_frames,
        )


def _invalid(name: str, value: object, allowed: str) -> InvalidParameter:
    return InvalidParameter(f"{name} must be {allowed}, not {value}.", parameter=name, value=value)
