"""Sampling: which frames of a clip a model sees."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from videovisual.clips.source import Frames, Source, SourceInfo, Times
from videovisual.errors import ClipTooShort, InvalidParameter

MAX_SAMPLED = 10_000
"""The most frames of one sampling, all views together."""

SNAP_S = 1e-6
"""An instant up to this many seconds before a frame's start shows that frame, so that rounding
does not decide where instants and starts coincide."""

END_SLACK_S = 0.001
"""`end_s` may be this far past the end, because durations are often rounded to milliseconds."""


@dataclass(frozen=True)
class Sampling:
    """How frames are chosen, by time.

    Attributes:
        frames: frames of one view, at least 1; `frames * views` is at most 10,000.
        fps: frames a second, positive. A view is a window of `frames / fps` seconds, or the whole
            range if that is shorter. The windows are spread evenly over the range; a single one
            is centred. None cuts the range into `views` equal windows. Ignored for frames
            without timestamps.
        start_s, end_s: the range, in seconds from the first frame; the whole clip by default.
        min_frames: the fewest source frames that the range must have, at least 1.
        views: number of views, at least 1.

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
    """The frames of a source that a model sees.

    Attributes:
        frames: uint8 [T, H, W, 3], RGB.
        indices: the index of each source frame, in presentation order from 0; T values.
        timestamps: start of each source frame, in seconds from the first; None for frames
            without timestamps.
        source: the clip that the frames were taken from.
    """

    frames: Frames
    indices: tuple[int, ...]
    timestamps: tuple[float, ...] | None
    source: SourceInfo

    @classmethod
    def of(cls, source: Source, indices: Sequence[int], frames: Frames) -> "Clip":
        """The clip of `source` whose frames, already decoded, have these indices."""
        times = source.times
        stamps = None if times is None else tuple(times[list(indices)].tolist())
        return cls(frames, tuple(indices), stamps, source.info)


def sample(source: Source, sampling: Sampling) -> list[Clip]:
    """Choose frames of `source`, as `plan` does, and decode them, all views in one pass.

    Args:
        source: an opened clip.
        sampling: how frames are chosen.

    Returns:
        `sampling.views` clips of `sampling.frames` frames each.

    Raises:
        ClipTooShort: fewer than `sampling.min_frames` frames in the range.
        InvalidParameter: the range begins or ends past the end of the clip, or the frames have
            no timestamps.
        TooLarge: all views together are over `limits.max_decoded_bytes`.
        MalformedClip: a frame can't be decoded, or differs in size.
    """
    views = plan(source.times, source.info.frame_count, sampling, source.info.duration_s)
    frames = source.read([index for view in views for index in view])
    parts = frames.reshape(sampling.views, sampling.frames, *frames.shape[1:])
    return [Clip.of(source, view, part) for view, part in zip(views, parts, strict=True)]


def plan(
    times: Times | None, frame_count: int, sampling: Sampling, duration_s: float | None = None
) -> list[list[int]]:
    """Choose the source frames of each view, without decoding them.

    With timestamps, a view's window is cut into `frames` equal segments, and the frame shown in
    the middle of each segment is taken: the last frame that has begun at that time. Without
    timestamps, frame `floor((k + 0.5) * frame_count / (frames * views))` is the k-th of all.

    Args:
        times: float64 [frame_count], seconds from the first frame; None for frames without
            timestamps.
        frame_count: frames in the source.
        sampling: how frames are chosen.
        duration_s: end of the last frame, in seconds; by default that frame lasts the median gap.

    Returns:
        `sampling.views` lists of `sampling.frames` indices, each in increasing order.

    Raises:
        ClipTooShort: fewer than `sampling.min_frames` frames in the range.
        InvalidParameter: the range begins or ends past the end of the clip; or there is a range,
            and the frames have no timestamps.
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
    return [
        (np.searchsorted(times, begin + steps + snap, side="right") - 1).tolist()
        for begin in begins
    ]


def _windows(sampling: Sampling, start: float, end: float) -> tuple[list[float], float]:
    """The start of each view, and the length of every view, in seconds."""
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
            "an npz with `fps` or `timestamps`, or choose the frames yourself."
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
