"""Times and order of a video's frames, read from its packets without decoding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from videovisual.clips.limits import Limits
from videovisual.clips.source import Times
from videovisual.errors import MalformedClip

ROUNDING = 0.51
"""Times that differ by at most this many ticks of the time base are equal but for rounding."""

_UNKNOWN = np.iinfo(np.int64).min


@dataclass(frozen=True)
class PacketTable:
    """A video stream's frames in presentation order, and the packets they are decoded from.

    Packets are numbered in decode order from 0.

    Attributes:
        index_of: frame index by presentation time, in the stream's time base; None if the
            packets' presentation times can't be trusted. Frames are then identified by the
            order in which they are decoded.
        packet: int64 [frames], the packet of each frame.
        start: int64 [frames], the packet of the keyframe from which each frame is decoded.
        packets: number of packets.
        times: float64 [frames], seconds from the first frame.
        end_s: end of the last frame, in seconds from the first.
    """

    index_of: dict[int, int] | None
    packet: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    packets: int
    times: Times
    end_s: float


def coded(container: InputContainer, stream: VideoStream) -> Iterator[Packet[Any]]:
    """The stream's packets in decode order, without empty ones.

    Raises:
        MalformedClip: the container is damaged.
    """
    try:
        for packet in container.demux(stream):
            if packet.size:
                yield packet
    except FFmpegError as error:
        raise MalformedClip(f"The video's container is damaged: {error.strerror}.") from error


def scan(
    container: InputContainer, stream: VideoStream, limits: Limits, *, trusts_pts: bool
) -> PacketTable:
    """Read all packets of a stream without decoding them.

    Args:
        container, stream: just opened, with no packet read.
        limits: on frames and seconds.
        trusts_pts: whether the container stores presentation times for this codec.

    Raises:
        MalformedClip: there are no packets with a time.
        TooLarge: more frames or seconds than the limits.
    """
    rows = []
    for packet in coded(container, stream):
        time = packet.pts if trusts_pts else packet.dts
        is_shown = time is not None and not packet.is_discard
        stamp = _UNKNOWN if time is None else time
        rows.append((stamp, packet.duration or 0, packet.is_keyframe, is_shown))
        limits.check_frames(len(rows))
    stamps, durations, is_key, shown = np.array(rows, np.int64).reshape(-1, 4).T
    numbers = np.flatnonzero(shown)
    if not len(numbers):
        raise MalformedClip("The video holds no frames that carry a time. Encode it again.")
    unique, first = np.unique(stamps[numbers], return_index=True)
    numbers = numbers[first]
    tick = float(stream.time_base or 1)
    times = (unique - unique[0]) * tick
    last = float(durations[numbers[-1]]) * tick
    if not last and len(times) > 1:
        last = float(np.median(np.diff(times)))
    times, last = _regular(times, last, stream.average_rate, tick)
    end = float(times[-1]) + last
    limits.check_seconds(end)
    if not trusts_pts:
        return PacketTable(None, numbers, np.zeros_like(numbers), len(rows), times, end)
    index_of = {stamp: index for index, stamp in enumerate(unique.tolist())}
    starts = _starts(stamps, is_key.astype(bool))[numbers]
    return PacketTable(index_of, numbers, starts, len(rows), times, end)


def _regular(times: Times, last: float, rate: Fraction | None, tick: float) -> tuple[Times, float]:
    """Undo rounding: return the times of a constant frame rate if all times agree with it.

    Matroska rounds to milliseconds, so a frame can seem to begin after an instant that shows it.
    """
    if not rate:
        return times, last
    even = np.arange(len(times)) / float(rate)
    if (np.abs(times - even) > ROUNDING * tick).any():
        return times, last
    return even, 1 / float(rate) if abs(last - 1 / float(rate)) <= tick else last


def _starts(stamps: npt.NDArray[np.int64], is_key: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each packet, the keyframe from which it is decoded: the last that is not shown later.

    Pictures that follow a keyframe in the file but are shown before it (the leading pictures of
    an open GOP) need the keyframe before.
    """
    last = before = 0
    starts = np.zeros(len(stamps), np.int64)
    for number, stamp in enumerate(stamps.tolist()):
        if is_key[number]:
            before, last = last, number
        starts[number] = next((key for key in (last, before) if stamps[key] <= stamp), 0)
    return starts
