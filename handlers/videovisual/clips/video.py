"""Videos, decoded by FFmpeg."""

import io
import struct
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import IO, Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from videovisual.clips import boxes
from videovisual.clips.cropping import crop_of
from videovisual.clips.decoding import Decoder, Picture, most_coded
from videovisual.clips.display import display_of
from videovisual.clips.formats import ACCEPTED
from videovisual.clips.limits import Limits
from videovisual.clips.packets import Scan, coded
from videovisual.clips.pixels import Converter
from videovisual.clips.source import Frames, Source, SourceInfo, Times
from videovisual.errors import MalformedClip, UnsupportedMedia

CODECS = (
    *("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mpeg1video", "mpeg2video", "h263"),
    *("msmpeg4v2", "msmpeg4v3", "wmv1", "wmv2", "wmv3", "vc1"),
    *("mjpeg", "gif", "ffv1", "prores", "rawvideo"),
)
"""FFmpeg's names of the codecs that are decoded. Few codecs keep the attack surface small."""

_DEMUXERS = {"webm": "matroska", "mkv": "matroska", "wmv": "asf"}
"""FFmpeg's demuxer by format, where the names differ."""

_WHITELIST = ",".join((*CODECS, "libdav1d", "libaom-av1"))

_HEADERLESS = ("mpegts", "mpeg")
"""Formats whose streams are found while packets are read. FFmpeg opens decoders for them then, to
which PyAV can't pass `max_pixels`; so it may open none."""
_SELECTIVE = ("h264",)
"""Codecs that mark pictures from which no other is predicted, so that these can be skipped. That
halves the time of sparse reads, more than threads on two cores save."""

_MP4 = ("mp4", "mov")

_FEWEST_CHECKED = 8
_CHECKED_PIXELS = 2_000_000
"""Pictures that are decoded when a reordered video is opened, for their order: some, and more of
small ones."""


class VideoSource(Source):
    """A video file in memory.

    Opening reads all packets, because counts and times in headers can be wrong, and decodes the
    beginning, for the true size and to check the order. If the time stamps can't be the order in
    which the frames are shown, it decodes everything once to learn the order. A read decodes from
    the keyframe before each group of wanted frames to the last of the group, and nothing between
    the groups. There is no deinterlacing.

    Args:
        data: the file.
        name: its format.
        sha256: of the file.
        limits: what the clip may cost.
        as_shown: whether frames are those that a player shows: cropped as the container says, with
            square pixels, upright, high dynamic range mapped to BT.709, and of the first one's
            size. If not, pixels are as stored, and all frames must have one size.

    Raises:
        UnsupportedMedia: no video stream, or a codec that is not in `CODECS`.
        MalformedClip: cut short or damaged.
        TooLarge: over one of the limits.
    """

    def __init__(
        self, data: bytes, name: str, sha256: str, limits: Limits, *, as_shown: bool = True
    ) -> None:
        if name in _MP4:
            boxes.check_index(data, limits)
        self.data = data
        self.name = name
        self.limits = limits
        with self._opened() as (container, stream):
            self.codec = _codec(stream)
            width, height = _declared_size(stream, data)
            limits.check_pixels(width, height)
            scan = Scan(container, stream, self.codec, name, limits)
            declared_end = float((stream.duration or 0) * (stream.time_base or 0))
            track, place = stream.id, container.streams.video.index(stream)
            aspect = stream.sample_aspect_ratio
        self._packets = scan.packets
        first, is_ordered = None, False
        if scan.tells_order:
            self.table = scan.by_time()
            first, is_ordered = self._beginning(width * height if scan.may_reorder else 0)
        if first is None or not is_ordered:
            order, first = self._everything()
            if first is None:
                raise MalformedClip("The video holds no frame that can be shown. Encode it again.")
            if not is_ordered:
                self.table = scan.by_decoding(order)
        times, end = self.table.times, self.table.end_s
        if name in _MP4 and boxes.is_cut(data):
            times, end = _with_lost_frames(times, end, declared_end, limits)
        shown: dict[str, Any] = {} if as_shown else {"as_shown": False}
        width, height = first.frame.width, first.frame.height
        limits.check_pixels(width, height)
        self._display = None
        if as_shown:
            crop = crop_of(data, name, track, place, width, height)
            self._display, shown = display_of(first.frame, crop, aspect or first.aspect, limits)
            width, height = self._display.width, self._display.height
        fps = len(times) / end if end else None
        info = SourceInfo(name, self.codec, width, height, len(times), end, fps, sha256, shown)
        super().__init__(info, times, limits)

    def _everything(self) -> tuple[list[tuple[int, bool]], Picture | None]:
        """Decode everything, for the order: see `Decoder.order`."""
        with self._opened() as (container, stream):
            decoder = Decoder(stream, self.codec, self.limits)
            return decoder.order(enumerate(coded(container, stream)))

    def _beginning(self, pixels: int) -> tuple[Picture | None, bool]:
        """The first picture, and whether the first ones come in the order of the table.

        Args:
            pixels: of a picture whose successors are to be checked too; 0 for the first alone.
        """
        most = max(_FEWEST_CHECKED, _CHECKED_PIXELS // pixels) if pixels else 1
        last = min(int(self.table.packet[:most].max()), self._packets - 1)
        first = None
        with suppress(MalformedClip):
            for place, (index, picture) in enumerate(self._pictures([(0, last)])):
                if index != place or (self._is_key(index) and not picture.frame.key_frame):
                    return first, False
                first = first or picture
                if place + 1 >= most:
                    break
        return first, True

    def _decode(self, wanted: Sequence[int]) -> Generator[tuple[int, Frames], None, None]:
        converter = Converter(self._display)
        held = [index for index in wanted if index < len(self.table.packet)]
        needed = {int(self.table.packet[index]) for index in held}
        missing = set(held)
        for index, picture in self._pictures(self._spans(held), needed):
            self._check(index, picture, held)
            if index in missing:
                missing.discard(index)
                yield index, converter.rgb(picture)
            if not missing:
                return
        # A picture marked as a keyframe may not decode by itself (intra refresh), and then only
        # the whole stream does.
        for index, picture in self._pictures([(self.table.origin, max(needed))]) if missing else ():
            self._check(index, picture, sorted(missing))
            if index in missing:
                missing.discard(index)
                yield index, converter.rgb(picture)

    def _check(self, index: int, picture: Picture, wanted: Sequence[int]) -> None:
        """Refuse wanted frames that are predicted from a damaged picture: the decoder does not."""
        if not picture.frame.is_corrupt:
            return
        table, packet = self.table, self.table.packet[index]
        for frame in wanted:
            if table.start[frame] <= packet <= table.packet[frame]:
                raise MalformedClip(
                    f"The video is damaged at frame {index}, which frame {frame} needs. Send it "
                    "again, or choose another part with start_s and end_s.",
                    frame=frame,
                )

    def _spans(self, wanted: Sequence[int]) -> list[tuple[int, int]]:
        """First and last packet of each run that must be decoded, in order."""
        table = self.table
        spans: list[tuple[int, int]] = []
        for first, last in sorted((int(table.start[i]), int(table.packet[i])) for i in wanted):
            if spans and first <= spans[-1][1] + 1:
                spans[-1] = spans[-1][0], max(last, spans[-1][1])
            else:
                spans.append((first, last))
        return spans

    def _pictures(
        self, spans: Sequence[tuple[int, int]], needed: Collection[int] = ()
    ) -> Iterator[tuple[int, Picture]]:
        """Decode the packets of `spans` to pictures with frame indices, in order in each span.

        If packets are `needed`, others from which no picture is predicted may be skipped.
        Pictures that come before the keyframe of their span are left out: they were predicted
        from pictures that were not decoded. So are all of a span that begins with none.
        """
        is_selective = self.codec in _SELECTIVE and needed
        with self._opened() as (container, stream):
            decoder = Decoder(stream, self.codec, self.limits)
            packets = enumerate(coded(container, stream))
            for span in spans:
                is_first = span[0] == self.table.origin
                entry = None if is_first else self.table.index_of.get(span[0])
                for picture in decoder.run(packets, span, needed if is_selective else None):
                    index = self.table.index_of.get(picture.packet)
                    if index == entry and picture.frame.key_frame:
                        entry = None
                    if index is not None and entry is None:
                        yield index, picture

    def _is_key(self, index: int) -> bool:
        return bool(self.table.start[index] == self.table.packet[index])

    def _opened(self) -> AbstractContextManager[tuple[InputContainer, VideoStream]]:
        return opened(io.BytesIO(self.data), self.name, self.limits)


@contextmanager
def opened(
    file: IO[bytes], name: str, limits: Limits
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a container, and choose its best video stream.

    Args:
        file: the video.
        name: its format.
        limits: on the pixels of a frame.

    Raises:
        MalformedClip: it is cut or damaged.
        UnsupportedMedia: it has no video stream.
    """
    try:
        container = av.open(
            file,
            mode="r",
            format=_DEMUXERS.get(name, name),
            container_options={
                "protocol_whitelist": "none",
                "codec_whitelist": "none" if name in _HEADERLESS else _WHITELIST,
            },
            options={"max_pixels": str(most_coded(limits))},
            metadata_errors="replace",
        )
    except FFmpegError as error:
        raise MalformedClip(
            f"The {name} can't be opened, it is cut or damaged: {error.strerror}."
        ) from error
    with container:
        stream = container.streams.best("video")
        is_cover = stream is not None and stream.disposition & Disposition.attached_pic
        if not isinstance(stream, VideoStream) or is_cover:
            raise UnsupportedMedia(f"The {name} has no video stream. Send {ACCEPTED}.")
        yield container, stream


def _codec(stream: VideoStream) -> str:
    """FFmpeg's name of the codec, not of one of its decoders."""
    context: VideoCodecContext | None = stream.codec_context
    name = "unknown" if context is None else context.codec.canonical_name
    if name not in CODECS:
        raise UnsupportedMedia(
            f"The video's codec is {name}. Encode it as H.264, or send {ACCEPTED}.", codec=name
        )
    return name


def _declared_size(stream: VideoStream, data: bytes) -> tuple[int, int]:
    """Width and height in the headers, 0 if they are missing."""
    if stream.codec_context.name == "gif":
        # FFmpeg's decoder gives no size if it is over `max_pixels`.
        width, height = struct.unpack_from("<HH", data, 6)
        return width, height
    return stream.codec_context.width, stream.codec_context.height


def _with_lost_frames(
    times: Times, end: float, declared_end: float, limits: Limits
) -> tuple[Times, float]:
    """Add frames at the median gap up to the end that a cut file declares."""
    gap = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    lost = round((declared_end - end) / gap) if gap else 0
    limits.check_frames(len(times) + lost)
    limits.check_seconds(declared_end)
    if lost < 1:
        return times, end
    return np.append(times, end + gap * np.arange(lost)), end + gap * lost
