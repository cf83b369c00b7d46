"""What the packets of a video say, before any is decoded."""

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
"""Times this many ticks of the time base apart are the same but for rounding."""

_UNKNOWN = np.iinfo(np.int64).min


@dataclass(frozen=True)
class PacketTable:
    """A video stream's frames in presentation order, and the packets they are decoded from.

    Packets are numbered in decode order from 0.

    Attributes:
        index_of: frame index by presentation time, in the stream's time base; None where the
            packets' presentation times can't be trusted, and only the order of the decoded
            frames tells which is which.
        packet: int64 [frames], the packet that holds each frame.
        start: int64 [frames], the packet of the keyframe from which decoding has to begin.
        packets: number of packets.
        times: float64 [frames], seconds from the first frame.
        end_s: when the last frame ends, in seconds from the first.
    """

    index_of: dict[int, int] | None
    packet: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    packets: int
    times: Times
    end_s: float


def coded(container: InputContainer, stream: VideoStream) -> Iterator[Packet[Any]]:
    """The stream's packets in decode order, less empty ones.

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
        container, stream: just opened.
        limits: on frames and seconds.
        trusts_pts: whether the container stores presentation times for this codec.

    Raises:
        MalformedClip: there are no packets, or they carry no time.
        TooLarge: more frames or seconds than the limits.
    """
    rows = []
    for packet in coded(container, stream):
        stamp = packet.pts if trusts_pts else packet.dts
        shown = stamp is not None and not packet.is_discard
        stamp = _UNKNOWN if stamp is None else stamp
        rows.append((stamp, packet.duration or 0, packet.is_keyframe, shown))
        limits.check_frames(len(rows))
    stamps, durations, is_key, is_shown = np.array(rows, np.int64).reshape(-1, 4).T
    numbers = np.flatnonzero(is_shown)
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
    """Undo rounding: the times of a constant frame rate, where it explains all of them.

    Matroska rounds to milliseconds, so that a frame can seem to begin after the instant at which
    it is looked for.
    """
    if not rate:
        return times, last
    even = np.arange(len(times)) / float(rate)
    if (np.abs(times - even) > ROUNDING * tick).any():
        return times, last
    return even, 1 / float(rate) if abs(last - 1 / float(rate)) <= tick else last


def _starts(stamps: npt.NDArray[np.int64], is_key: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """For each packet, the keyframe from which it can be decoded.

    That is the last one that is not shown later: pictures that follow a keyframe in the file but
    are shown before it (the leading pictures of an open GOP) need the keyframe before that.
    """
    last = before = 0
    starts = np.zeros(len(stamps), np.int64)
    for number, stamp in enumerate(stamps.tolist()):
        if is_key[number]:
            before, last = last, number
        starts[number] = next((key for key in (last, before) if stamps[key] <= stamp), 0)
    return starts
