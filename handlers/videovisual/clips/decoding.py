"""Decoding of packets to pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, cast

from av.codec.context import CodecContext
from av.error import FFmpegError
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


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        frame: FFmpeg's frame.
        alpha: its alpha channel, as the luma of another frame; None if `frame` is opaque or has
            its own alpha channel.
    """

    frame: VideoFrame
    alpha: VideoFrame | None

    @property
    def packet(self) -> int:
        """The number of the packet that the picture was decoded from."""
        return cast(int, self.frame.opaque)


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
        self._colour.copy_opaque = True
        for context in filter(None, (self._colour, self._alpha)):
            context.options = {"max_pixels": str(limits.max_pixels)}
            # FFmpeg's threads can deadlock on a damaged stream (seen for H.265 with FFmpeg 7 and
            # 8). The AV1 decoder has threads of its own.
            context.thread_count = _AV1_THREADS if codec == "av1" else 1

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
                    packet.opaque = number
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

    def order(self, packets: Iterator[tuple[int, Packet[Any]]]) -> list[tuple[int, bool]]:
        """Decode everything: the packet of each picture in order, and whether it is a keyframe.

        A damaged packet stands where it is decoded, except before the first keyframe of a cut
        stream, where nothing can be decoded.
        """
        found: list[tuple[int, bool]] = []
        has_begun = False
        for number, packet in packets:
            packet.opaque = number
            has_begun = has_begun or packet.is_keyframe
            try:
                frames = self._colour.decode(packet)
            except FFmpegError:
                found += [(number, False)] * has_begun
            else:
                found += [(cast(int, frame.opaque), frame.key_frame) for frame in frames]
        with suppress(FFmpegError):
            found += [(cast(int, frame.opaque), frame.key_frame) for frame in self._colour.decode()]
        return list(dict(found).items())

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
        for frame in self._colour.decode(packet):
            yield Picture(frame, self._alpha_of(frame))

    def _alpha_of(self, frame: VideoFrame) -> VideoFrame | None:
        alpha = self._latest_alpha
        if alpha is None or alpha.pts != frame.pts:
            return None
        if (alpha.width, alpha.height) != (frame.width, frame.height):
            raise MalformedClip("The video's alpha channel has another size. Encode it again.")
        return alpha
