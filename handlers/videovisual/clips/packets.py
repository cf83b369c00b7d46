"""Times and order of a video's frames, read from its packets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from videovisual.clips.headers import Headers
from videovisual.clips.limits import Limits
from videovisual.clips.source import Times
from videovisual.clips.timing import UNKNOWN, regular, repaired
from videovisual.errors import MalformedClip

_REORDERING = ("h264", "hevc", "mpeg4", "mpeg1video", "mpeg2video", "vc1", "wmv3")
_ALWAYS_REORDERING = ("h264", "hevc")
"""Codecs whose decoder may learn only late that pictures are reordered."""

_NOT_CODED_BYTES = 20
"""A picture of MPEG-4 part 2 that is not coded, or has been moved to the packet before, takes no
more bytes than this."""


@dataclass(frozen=True)
class PacketTable:
    """A video stream's frames in presentation order, and the packets they are decoded from.

    Packets are numbered in decode order from 0.

    Attributes:
        index_of: frame index by packet.
        packet: int64 [frames], the packet of each frame.
        start: int64 [frames], the packet of the keyframe from which each frame is decoded.
        origin: the packet from which everything is decoded.
        times: float64 [frames], seconds from the first frame.
        end_s: end of the last frame, in seconds from the first.
    """

    index_of: dict[int, int]
    packet: npt.NDArray[np.int64]
    start: npt.NDArray[np.int64]
    origin: int
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


class Scan:
    """What the packets of a stream say, read without decoding.

    Args:
        container, stream: just opened, with no packet read.
        codec: FFmpeg's name of the codec.
        name: the container's format.
        limits: on frames and seconds.

    Attributes:
        packets: number of packets.
        tells_order: whether the time stamps can be the order in which the frames are shown.
            Otherwise only decoding tells it.
        may_reorder: whether frames may be shown in another order than they are decoded in.

    Raises:
        MalformedClip: there are no packets.
        TooLarge: more packets than `limits.max_frames`.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, codec: str, name: str, limits: Limits
    ) -> None:
        rows: list[tuple[int, ...]] = []
        headers = Headers(codec, stream.codec_context.extradata)
        for packet in coded(container, stream):
            stamps = (UNKNOWN if time is None else time for time in (packet.pts, packet.dts))
            is_shown = not packet.is_discard and (codec != "vp8" or _is_shown_vp8(packet))
            start = headers.start(len(rows), packet) if packet.is_keyframe else -1
            rows.append((*stamps, packet.duration or 0, start, is_shown, packet.size))
            limits.check_frames(len(rows))
        if not rows:
            raise MalformedClip("The video holds no frames. Encode it again.")
        table = np.array(rows, np.int64).T
        self._pts, self._dts, self._durations, self._starts, shown, self._sizes = table
        self._shown = shown.astype(bool)
        self._limits = limits
        self._tick = float(stream.time_base or 1)
        self._rate: Fraction | None = stream.average_rate
        # FFmpeg takes the mark from a keyframe that is damaged, which an mp4's index still has.
        begins_with_key = self._starts[0] >= 0 or (
            name in ("mp4", "mov")
            and len(stream.index_entries) > 0
            and stream.index_entries[0].is_keyframe
        )
        has_b_frames = bool(stream.codec_context.has_b_frames)
        reorders = codec in _ALWAYS_REORDERING or (codec in _REORDERING and has_b_frames)
        # AVI stores no presentation times.
        self._has_pts = name != "avi" or not reorders
        self._is_live = name in ("mpegts", "mpeg")
        self._is_reordered = bool((np.diff(self._pts) < 0).any())
        self.packets = len(rows)
        self.tells_order = (
            self._has_pts
            and begins_with_key
            and self._is_consistent(codec, has_b_frames=has_b_frames)
        )
        self.may_reorder = has_b_frames or self._is_reordered

    def by_time(self) -> PacketTable:
        """The frames in order of their presentation times.

        Raises:
            MalformedClip: no frame has a time.
            TooLarge: more seconds than the limits.
        """
        numbers = np.flatnonzero(self._shown)
        order = numbers[np.argsort(self._pts[numbers], kind="stable")]
        return self._table(order, self._starts, 0)

    def by_decoding(self, pictures: Sequence[tuple[int, bool]]) -> PacketTable:
        """The frames in the order in which a decoder gave them.

        Args:
            pictures: packet of each, and whether it is a keyframe.

        Raises:
            MalformedClip: there are none.
            TooLarge: more seconds than the limits.
        """
        order = np.array([number for number, _ in pictures], np.int64)
        starts = np.full_like(self._starts, -1)
        for number, is_key in pictures:
            starts[number] = self._starts[number] if is_key else -1
        keys = np.flatnonzero(self._starts >= 0)
        origin = min([*order.tolist(), *keys[:1].tolist()], default=0)
        return self._table(order, starts, origin)

    def _table(
        self, order: npt.NDArray[np.int64], starts: npt.NDArray[np.int64], origin: int
    ) -> PacketTable:
        if not len(order):
            raise MalformedClip("The video holds no frame that can be shown. Encode it again.")
        stamps = self._pts[order] if self._has_pts else np.sort(self._dts[order])
        seconds = repaired(stamps, self._tick, self._rate, is_live=self._is_live)
        last = float(self._durations[order[-1]]) * self._tick
        if not last and len(seconds) > 1:
            last = float(np.median(np.diff(seconds)))
        times, last = regular(seconds, last, self._rate, self._tick)
        end = float(times[-1]) + last
        self._limits.check_seconds(end)
        index_of = {number: index for index, number in enumerate(order.tolist())}
        starts = _starts(starts, index_of, origin)[order]
        return PacketTable(index_of, order, starts, origin, times, end)

    def _is_consistent(self, codec: str, *, has_b_frames: bool) -> bool:
        """Whether nothing contradicts the presentation times."""
        pts, dts = self._pts, self._dts[self._dts != UNKNOWN]
        shown = pts[self._shown]
        if (
            not len(shown)
            or (pts == UNKNOWN).any()
            or len(np.unique(shown)) < len(shown)
            or (np.diff(dts) < 0).any()
            or shown.min() < pts[0]
        ):
            return False
        if codec != "mpeg4":
            return True
        is_packed = has_b_frames and not self._is_reordered
        return not is_packed and bool((self._sizes > _NOT_CODED_BYTES).all())


def _is_shown_vp8(packet: Packet[Any]) -> bool:
    """Whether a VP8 picture is shown, or only predicted from (RFC 6386, 9.1)."""
    return bool(memoryview(packet)[0] & 0x10)


def _starts(
    starts: npt.NDArray[np.int64], index_of: dict[int, int], origin: int
) -> npt.NDArray[np.int64]:
    """For each packet, the one from which it is decoded: of the last keyframe not shown later.

    Pictures that follow a keyframe in the file but are shown before it (the leading pictures of
    an open GOP) need the keyframe before.

    Args:
        starts: the packet at which decoding of each keyframe starts, -1 for other packets.
        index_of: frame index by packet.
        origin: the packet from which everything is decoded.
    """
    last = before = (-1, origin)
    found = np.full(len(starts), origin, np.int64)
    for number, start in enumerate(starts.tolist()):
        index = index_of.get(number, -1)
        if start >= 0:
            before, last = last, (index, start)
        found[number] = next((begin for key, begin in (last, before) if key <= index), origin)
    return found
