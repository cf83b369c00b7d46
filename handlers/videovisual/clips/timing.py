"""Presentation times of frames, from time stamps that may be rounded, repeated or missing."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from videovisual.clips.source import Times

ROUNDING = 0.51
"""Times that differ by at most this many ticks of the time base are equal but for rounding."""

UNKNOWN = int(np.iinfo(np.int64).min)
"""The time stamp of a packet that has none."""

_JOINT_S = 1.0
"""Time stamps that go back further than this belong to another stream, joined to the first."""

_JOINT_FRAMES = 3
"""So do those that go back by more than a frame, from regular ones to so many that rise."""

_JUMP_S = 10.0
"""So do those of a broadcast that jump forward further than this."""

_DEFAULT_FPS = 25.0


def repaired(
    stamps: npt.NDArray[np.int64], tick: float, rate: Fraction | None, *, is_live: bool = False
) -> Times:
    """Strictly increasing times, in seconds from the first frame.

    Frames without a time stamp, or with one that does not increase, are spread evenly between
    their neighbours. A joined stream continues where the one before ends.

    Args:
        stamps: int64 [frames], in the order in which the frames are shown; `UNKNOWN` for none.
        tick: seconds of one unit.
        rate: frames a second, if the container says.
        is_live: whether time stamps may jump forward, as in a broadcast.
    """
    seconds = np.where(stamps == UNKNOWN, np.nan, stamps.astype(np.float64) * tick)
    steps = np.diff(seconds)
    if (steps > 0).all() and not (is_live and (steps > _JUMP_S).any()):
        return np.asarray((stamps - stamps[0]) * tick)
    forward = steps[steps > 0]
    gap = float(np.median(forward)) if len(forward) else 1 / float(rate or _DEFAULT_FPS)
    offset, last, step, before = 0.0, -np.inf, np.inf, np.inf
    for index, second in enumerate(seconds):
        time = second + offset
        following = steps[index : index + _JOINT_FRAMES - 1]
        is_regular = step < 2 * before and len(following) > 1 and bool((following > 0).all())
        is_joint = (
            time < last - _JOINT_S
            or (is_regular and time < last - gap)
            or (is_live and time > last + _JUMP_S > 0)
        )
        if is_joint and last > -np.inf:
            offset += last + gap - time
            time = last + gap
        if time > last:
            before, step, last = step, time - last, time
            seconds[index] = time
        else:
            seconds[index] = np.nan
    return _filled(seconds, gap)


def _filled(seconds: Times, gap: float) -> Times:
    """Replace NaN by even steps between the neighbours, and by `gap` at the ends."""
    places = np.arange(len(seconds))
    known = np.flatnonzero(~np.isnan(seconds))
    if not len(known):
        return np.asarray(places * gap, np.float64)
    first, last = known[0], known[-1]
    filled = np.interp(places, known, seconds[known])
    filled[:first] = seconds[first] - gap * np.arange(first, 0, -1)
    filled[last + 1 :] = seconds[last] + gap * np.arange(1, len(seconds) - last)
    return np.asarray(filled - filled[0])


def regular(times: Times, last: float, rate: Fraction | None, tick: float) -> tuple[Times, float]:
    """Undo rounding: return the times of a constant frame rate if all times agree with it.

    Matroska rounds to milliseconds, so a frame can seem to begin after an instant that shows it.

    Args:
        times: in seconds from the first frame.
        last: how long the last frame is shown, in seconds.
        rate: frames a second, if the container says.
        tick: seconds of one unit of the time base.

    Returns:
        times and `last`.
    """
    if not rate:
        return times, last
    even = np.arange(len(times)) / float(rate)
    if (np.abs(times - even) > ROUNDING * tick).any():
        return times, last
    return even, 1 / float(rate) if abs(last - 1 / float(rate)) <= tick else last
