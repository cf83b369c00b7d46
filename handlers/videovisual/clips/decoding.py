"""Decoding of packets to pictures."""

from __future__ import annotations

import errno
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any, Final, cast

from av.codec.context import CodecContext
from av.error import FFmpegError, InvalidDataError
from av.packet import Packet, PacketSideData, PktSideDataT
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from videovisual.clips.limits import Limits
from videovisual.errors import MalformedClip

_AV1_THREADS = 4

_WITH_ALPHA = ("vp8", "vp9")
"""Codecs whose alpha channel is a second stream, in side data of the first one's packets (WebM
Container Guidelines). libvpx decodes both, but it allocates before any limit is checked."""

_ALPHA: Final = "matroska_block_additional"
_ALPHA_ID_BYTES = 8

_LASTING: tuple[PktSideDataT, ...] = ("palette", "new_extradata", "param_change")
"""Side data that changes how the packets after it are decoded too."""


_SCAN = b"\xff\xda"
"""The marker before a JPEG's coded pixels."""

_PADDING = 2**16
"""Pixels, beside an eighth, that a decoder may add at the edges of a picture."""


def most_coded(limits: Limits) -> int:
    """The most pixels that FFmpeg may allocate for a picture: it counts those that it adds."""
    return limits.max_pixels + limits.max_pixels // 8 + _PADDING


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        frame: FFmpeg's frame.
        alpha: its alpha channel, as the luma of another frame; None if `frame` is opaque or has
            its own alpha channel.
        packet: the number of the packet that it was decoded from; -1 if it comes from none.
        aspect: width of a pixel by its height, as the stream says; None if it doesn't.
    """

    frame: VideoFrame
    alpha: VideoFrame | None
    packet: int
    aspect: Fraction | None


class Decoder:
    """Decodes runs of a video stream's packets.

    Attributes:
        codec: FFmpeg's name of the codec.
    """

    def __init__(self, stream: VideoStream, codec: str, limits: Limits) -> None:
        self.codec = codec
        self._colour = stream.codec_context
        self._alpha: VideoCodecContext | None = None
        self._latest_alpha: VideoFrame | None = None
        self._lasting: dict[PktSideDataT, PacketSideData] = {}
        if codec in _WITH_ALPHA and stream.metadata.get("alpha_mode") == "1":
            self._alpha = cast(VideoCodecContext, CodecContext.create(codec, "r"))
        self._has_threads = codec == "av1"
        self._number_of: dict[int | None, int] = {}
        self._colour.copy_opaque = not self._has_threads
        # Of a damaged JPEG the decoder shows whatever lies in its memory, often an earlier picture.
        # Other decoders mark such pictures.
        strict = {"err_detect": "explode"} if codec == "mjpeg" else {}
        for context in filter(None, (self._colour, self._alpha)):
            context.options = {"max_pixels": str(most_coded(limits)), **strict}
            # FFmpeg's threads can deadlock on a damaged stream (seen for H.265 with FFmpeg 7 and
            # 8). The AV1 decoder has threads of its own.
            context.thread_count = _AV1_THREADS if self._has_threads else 1

    def run(
        self,
        packets: Iterator[tuple[int, Packet[Any]]],
        span: tuple[int, int],
        needed: Collection[int] | None = None,
    ) -> Iterator[Picture]:
        """Skip to the first packet of `span`, and decode to its last.

        Args:
            packets: numbered from 0 in decode order; the next run continues after `span`.
            span: first and last number.
            needed: the packets whose pictures are wanted; other pictures are skipped if none is
                predicted from them. None decodes all.

        Raises:
            MalformedClip: a packet can't be decoded.
        """
        first, last = span
        try:
            for number, packet in packets:
                if needed is not None:
                    self._colour.skip_frame = "DEFAULT" if number in needed else "NONREF"
                if number >= first:
                    self._mark(packet, number)
                    self._add_lasting(packet)
                    yield from self._decode(packet)
                else:
                    self._keep_lasting(packet)
                if number >= last:
                    break
            yield from self._decode(None)
            for context in filter(None, (self._colour, self._alpha)):
                context.flush_buffers()
        except FFmpegError as error:
            raise MalformedClip(
                f"The video is damaged within its packets {first} to {last}: {error.strerror}. "
                "Send it again, or choose another part with start_s and end_s."
            ) from error

    def order(
        self, packets: Iterator[tuple[int, Packet[Any]]]
    ) -> tuple[list[tuple[int, bool]], Picture | None]:
        """Decode everything.

        A damaged packet stands where it is decoded, except before the first keyframe of a cut
        stream, where nothing can be decoded.

        Returns:
            The packet of each picture in the order in which they are shown, and whether it is a
            keyframe; and the first picture.
        """
        found: dict[int, bool] = {}
        first: Picture | None = None
        has_begun = False
        for number, packet in chain(packets, ((-1, None),)):
            if packet is not None:
                self._mark(packet, number)
                has_begun = has_begun or packet.is_keyframe
            try:
                pictures = list(self._decode(packet))
            except FFmpegError:
                if has_begun and packet is not None:
                    found[number] = False
                continue
            for picture in pictures:
                if picture.packet >= 0:
                    first = first or picture
                    found[picture.packet] = picture.frame.key_frame
        return list(found.items()), first

    def _mark(self, packet: Packet[Any], number: int) -> None:
        """Number a packet so that its picture can be told.

        A decoder with threads frees marks in them, for which PyAV takes the interpreter's lock:
        that would wait for ever while the decoder is closed. Its pictures, which it does not
        reorder, are told by their times.
        """
        if self._has_threads:
            self._number_of[packet.pts] = number
        else:
            # An object of its own: PyAV takes equal ones for one, and forgets it for all.
            packet.opaque = [number]

    def _number(self, frame: VideoFrame) -> int:
        if self._has_threads:
            return self._number_of.get(frame.pts, -1)
        return frame.opaque[0] if isinstance(frame.opaque, list) else -1

    def _keep_lasting(self, packet: Packet[Any]) -> None:
        for kind in _LASTING:
            if packet.has_sidedata(kind):
                self._lasting[kind] = packet.get_sidedata(kind)

    def _add_lasting(self, packet: Packet[Any]) -> None:
        for kind, data in self._lasting.items():
            if not packet.has_sidedata(kind):
                packet.set_sidedata(data)
        self._lasting.clear()

    def _decode(self, packet: Packet[Any] | None) -> Iterator[Picture]:
        if self._alpha is not None and packet is not None and packet.has_sidedata(_ALPHA):
            beside = Packet(bytes(packet.get_sidedata(_ALPHA))[_ALPHA_ID_BYTES:])
            beside.pts, beside.time_base = packet.pts, packet.time_base
            for alpha in self._alpha.decode(beside):
                self._latest_alpha = alpha
        if self.codec == "mjpeg" and packet is not None and _SCAN not in bytes(packet):
            raise InvalidDataError(errno.EINVAL, "a picture without pixels")
        for frame in self._colour.decode(packet):
            aspect = self._colour.sample_aspect_ratio
            yield Picture(frame, self._alpha_of(frame), self._number(frame), aspect)

    def _alpha_of(self, frame: VideoFrame) -> VideoFrame | None:
        alpha = self._latest_alpha
        if alpha is None or alpha.pts != frame.pts:
            return None
        if (alpha.width, alpha.height) != (frame.width, frame.height):
            raise MalformedClip("The video's alpha channel has another size. Encode it again.")
        return alpha
