"""Long videos on disk, cut into short ones without decoding: coded frames are copied."""

from __future__ import annotations

import io
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from videovisual.clips import formats
from videovisual.clips.limits import MIB, Limits
from videovisual.clips.packets import coded
from videovisual.clips.video import opened
from videovisual.errors import InvalidRequest, MalformedClip, TooLarge, UnsupportedMedia

MAX_PIECE_BYTES = 48 * MIB
"""The most coded bytes of a piece: a server reads 64 MiB by default."""

MAX_PIECE_S = 300
MAX_PIECE_FRAMES = 18_000
"""A piece with more seconds or frames would mostly be decoded for nothing."""

_HEAD_BYTES = 1024
_MUXERS = {
    **{"mp4": "mp4", "mov": "mp4", "avi": "avi"},
    **{"mpegts": "mpegts", "mpeg": "mpegts", "wmv": "asf"},
}
"""The container of a piece by that of the video; Matroska, which holds every codec, for others."""

_EARLIER_S = (0.0, 10.0, 60.0)
"""How far before a keyframe a container is told to seek, because some land too late."""


@dataclass(frozen=True)
class Piece:
    """A part of a video, as a video of its own.

    Attributes:
        data: the file.
        start_s: the time of its first frame, in seconds from the whole video's first.
    """

    data: bytes
    start_s: float


class LongVideo:
    """A video file of any length, of which only packets' times are held: about 40 bytes a frame.

    Opening reads all packets once, and decodes none.

    Args:
        path: the file.

    Attributes:
        duration_s: from the start of the first frame to the end of the last, in seconds.
        frames: how many there are.

    Raises:
        InvalidRequest: it can't be read.
        UnsupportedMedia: it is no video.
        MalformedClip: it is damaged, or its frames have no times.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                self._format = formats.sniff(file.read(_HEAD_BYTES))
        except OSError as error:
            raise InvalidRequest(f"{path.name} can't be read: {error.strerror}.") from error
        if self._format not in formats.VIDEO:
            raise UnsupportedMedia(
                f"{path.name} is no video ({self._format}). Only a video can be cut."
            )
        stamps, keys, sizes = array("q"), array("b"), array("q")
        first = length = None
        with self._opened() as (container, stream):
            self._tick = float(stream.time_base or 1)
            for packet in coded(container, stream):
                stamps.append(_stamp(packet))
                keys.append(packet.is_keyframe)
                sizes.append(packet.size)
                length = packet.duration or length
                # What an edit list hides, and what comes before a keyframe, is not the beginning.
                if first is None and keys[-1] and not packet.is_discard:
                    first = stamps[-1]
        self._stamps = np.array(stamps, np.int64)
        self._keys = np.flatnonzero(np.array(keys, bool))
        self._bytes = np.append(0, np.cumsum(np.array(sizes, np.int64)))
        if first is None:
            raise MalformedClip(f"{path.name} has no keyframe to begin with. Encode it again.")
        self._key_times = (self._stamps[self._keys] - first) * self._tick
        self._times = (self._stamps - first) * self._tick
        # A piece ends where all frames shown until then have come.
        self._earliest = np.minimum.accumulate(self._times[::-1])[::-1]
        self.frames = len(stamps)
        self.duration_s = float(self._times.max()) + (length or 0) * self._tick

    def piece_length(self, lengths: Sequence[float]) -> float:
        """The first of some lengths, in seconds, of which every piece is small enough.

        Raises:
            TooLarge: none is; the video has too few keyframes.
        """
        for length in lengths:
            starts = np.arange(0.0, self.duration_s, length)
            if all(self._fits(*self._span(start, start + length)) for start in starts):
                return length
        raise TooLarge(
            f"{self._path.name} has too few keyframes: between two of them are more than "
            f"{MAX_PIECE_S} s, {MAX_PIECE_FRAMES} frames or {MAX_PIECE_BYTES / MIB:.0f} MiB. "
            "Encode it again: ffmpeg -i IN -g 250 OUT.mp4."
        )

    def cut(self, start_s: float, end_s: float) -> Piece:
        """The frames that are shown from `start_s` to `end_s`, from the keyframe before.

        Args:
            start_s, end_s: in seconds from the first frame.

        Raises:
            MalformedClip: the video can't be read there, or its codec not be copied.
        """
        return self._copied(*self._span(start_s, end_s))

    def key_times(self, count: int) -> list[float]:
        """The times of up to `count` keyframes, spread evenly over the video, in seconds."""
        wanted = (np.arange(count) + 0.5) * (self.duration_s / count)
        nearest = np.searchsorted(self._key_times, wanted, side="right") - 1
        return [float(self._key_times[place]) for place in np.unique(nearest.clip(0))]

    def still(self, time_s: float) -> Piece:
        """The keyframe at or before a time, alone.

        Raises:
            MalformedClip: as `cut`.
        """
        key = self._key(time_s)
        return self._copied(key, key)

    def _key(self, time_s: float) -> int:
        place = int(np.searchsorted(self._key_times, time_s + self._tick / 2, side="right")) - 1
        return int(self._keys[max(place, 0)])

    def _span(self, start_s: float, end_s: float) -> tuple[int, int]:
        """The first packet, a keyframe's, and the last one."""
        first, final = self._key(start_s), len(self._times) - 1
        # With one frame after the end, the piece certainly lasts until then.
        last = min(max(int(np.searchsorted(self._earliest, end_s)), first), final)
        while last < final and self._times[first : last + 1].max() > self._earliest[last + 1]:
            last += 1
        return first, last

    def _fits(self, first: int, last: int) -> bool:
        return (
            self._bytes[last + 1] - self._bytes[first] <= MAX_PIECE_BYTES
            and last - first < MAX_PIECE_FRAMES
            and self._times[last] - self._times[first] <= MAX_PIECE_S
        )

    def _copied(self, first: int, last: int) -> Piece:
        buffer = io.BytesIO()
        muxer = _MUXERS.get(self._format, "matroska")
        try:
            with self._opened() as (container, stream), av.open(buffer, "w", muxer) as output:
                copy = output.add_stream_from_template(stream, opaque=True)
                copy.time_base = stream.time_base
                for packet in self._packets(container, stream, first, last):
                    packet.stream = copy
                    output.mux(packet)
        except (FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise MalformedClip(
                f"{self._path.name} can't be cut at {self._times[first]:.3f} s: {reason}. Encode "
                "it again: ffmpeg -i IN OUT.mp4."
            ) from error
        return Piece(buffer.getvalue(), float(self._times[first]))

    def _packets(
        self, container: InputContainer, stream: VideoStream, first: int, last: int
    ) -> Iterator[Packet[Any]]:
        """The packets, timed from the first of them.

        Pictures that are shown before the first, a keyframe, are left out: they were predicted
        from pictures before it.
        """
        begin, packets = self._stamps[first], self._from(container, stream, first)
        wanted = self._stamps[first : last + 1]
        decoded_at = _decoding_stamps(wanted[wanted >= begin] - begin)
        for packet, _ in zip(packets, wanted, strict=False):
            if (stamp := _stamp(packet)) >= begin:
                packet.pts, packet.dts = int(stamp - begin), next(decoded_at)
                yield packet

    def _from(
        self, container: InputContainer, stream: VideoStream, first: int
    ) -> Iterator[Packet[Any]]:
        """The packets from one on: found by its time, or by its number where seeking fails."""
        begin = int(self._stamps[first])
        for earlier_s in _EARLIER_S:
            container.seek(begin - round(earlier_s / self._tick), stream=stream)
            packets = coded(container, stream)
            found = next((each for each in packets if _stamp(each) >= begin), None)
            if found is not None and _stamp(found) == begin and found.is_keyframe:
                yield found
                yield from packets
                return
        with self._opened() as (unsought, same):
            yield from islice(coded(unsought, same), first, None)

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        with self._path.open("rb") as file, opened(file, self._format, Limits()) as both:
            yield both


def _stamp(packet: Packet[Any]) -> int:
    """When a packet's picture is shown; when it is decoded where nothing else is known."""
    stamp = packet.dts if packet.pts is None else packet.pts
    if stamp is None:
        raise MalformedClip("A frame of the video has no time. Encode it again.")
    return stamp


def _decoding_stamps(shown: npt.NDArray[np.int64]) -> Iterator[int]:
    """Increasing times of decoding, none later than its picture is shown.

    Args:
        shown: int64 [packets], when each picture is shown, in decode order.
    """
    in_order = np.sort(shown)
    delay = int((in_order - shown).max())
    return iter((in_order - delay).tolist())
