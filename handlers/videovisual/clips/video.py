"""Videos, decoded by FFmpeg."""

import io
import struct
from collections import deque
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from videovisual.clips import boxes
from videovisual.clips.decoding import Decoder, Picture
from videovisual.clips.formats import ACCEPTED
from videovisual.clips.limits import Limits
from videovisual.clips.packets import coded, scan
from videovisual.clips.pixels import rgb
from videovisual.clips.source import Frames, Source, SourceInfo, Times
from videovisual.errors import MalformedClip, UnsupportedMedia

CODECS = (
    *("h264", "hevc", "vp8", "vp9", "av1", "mpeg4"),
    *("mjpeg", "gif", "ffv1", "prores", "rawvideo"),
)
"""FFmpeg's names of the codecs that are decoded. Few codecs keep the attack surface small."""

_DEMUXERS = {"webm": "matroska", "mkv": "matroska"}
"""FFmpeg's demuxer by format, where the names differ."""

_AV1_DECODERS = ("libdav1d", "libaom-av1")
_HOLDING = ("mpeg4", "vp8")
"""Codecs with packets that hold no picture: the last picture stays."""

_SELECTIVE = ("h264",)
"""Codecs that mark pictures from which no other is predicted, so that these can be skipped. That
halves the time of sparse reads, more than threads on two cores save."""

_MP4 = ("mp4", "mov")


class VideoSource(Source):
    """A video file in memory.

    Opening reads all packets, because counts and times in headers can be wrong, and decodes one
    frame, for its true size. A read decodes from the keyframe before each group of wanted frames
    to the last of the group, and nothing between the groups. Frames are matched by presentation
    time, so a read returns exactly the wanted frames. Pixels are as stored: there is no
    deinterlacing, no correction of the pixel aspect ratio, and no tone mapping.

    Raises:
        UnsupportedMedia: no video stream, or a codec that is not in `CODECS`.
        MalformedClip: cut short or damaged.
        TooLarge: over one of the limits.
    """

    def __init__(self, data: bytes, name: str, sha256: str, limits: Limits) -> None:
        if name in _MP4:
            boxes.check_index(data, limits)
        self.data = data
        self.name = name
        self.limits = limits
        with self._opened() as (container, stream):
            self.codec = _codec(stream)
            width, height = _declared_size(stream, data)
            limits.check_pixels(width, height)
            # AVI stores no presentation times, and FFmpeg can't derive them for these codecs.
            trusts_pts = name != "avi" or self.codec not in ("h264", "hevc")
            self.table = scan(container, stream, limits, trusts_pts=trusts_pts)
            declared_end = float((stream.duration or 0) * (stream.time_base or 0))
        times, end = self.table.times, self.table.end_s
        if name in _MP4 and boxes.is_cut(data):
            times, end = _with_lost_frames(times, end, declared_end, limits)
        with suppress(MalformedClip):
            for _, first in self._decode([0]):
                height, width = first.shape[:2]
        if not width * height:
            raise MalformedClip("The video has no frame size. Encode it again.")
        fps = len(times) / end if end else None
        info = SourceInfo(name, self.codec, width, height, len(times), end, fps, sha256)
        super().__init__(info, times, limits)

    def _decode(self, wanted: Sequence[int]) -> Generator[tuple[int, Frames], None, None]:
        reformatter = VideoReformatter()
        held = [index for index in wanted if index < len(self.table.packet)]
        needed = {int(self.table.packet[index]) for index in held}
        missing = set(held)
        for index, picture in self._pictures(self._spans(held), needed):
            self._check(index, picture, held)
            if index in missing:
                missing.discard(index)
                yield index, rgb(picture, reformatter)
            if not missing and self.table.index_of is None:
                return
        if missing and self.table.index_of is not None:
            for index, picture in self._from_the_start(sorted(missing)):
                yield index, rgb(picture, reformatter)

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
        if table.index_of is None:
            return [(0, table.packets - 1)]
        spans: list[tuple[int, int]] = []
        for first, last in sorted((int(table.start[i]), int(table.packet[i])) for i in wanted):
            if spans and first <= spans[-1][1] + 1:
                spans[-1] = spans[-1][0], max(last, spans[-1][1])
            else:
                spans.append((first, last))
        return spans

    def _from_the_start(self, missing: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Decode the stream from its start, for frames that their own span did not give.

        A picture marked as a keyframe may not decode by itself (intra refresh), and then only
        the whole stream does. And a packet may hold no picture, so that the last one stays.
        """
        pending = deque(missing)
        last = max(int(self.table.packet[index]) for index in missing)
        held: Picture | None = None
        for index, picture in self._pictures([(0, last)]):
            self._check(index, picture, missing)
            while pending and pending[0] <= index:
                frame = pending.popleft()
                shown = picture if frame == index else held
                if shown is not None:
                    yield frame, shown
            held = picture if self.codec in _HOLDING else None
        if held is not None:
            for frame in pending:
                yield frame, held

    def _pictures(
        self, spans: Sequence[tuple[int, int]], needed: Collection[int] = ()
    ) -> Iterator[tuple[int, Picture]]:
        """Decode the packets of `spans` to pictures with frame indices, in order in each span.

        If packets are `needed`, others from which no picture is predicted may be skipped.
        Pictures that come before the keyframe of their span are left out: they were predicted
        from pictures that were not decoded.
        """
        count = 0
        is_selective = self.codec in _SELECTIVE and self.table.index_of is not None and needed
        with self._opened() as (container, stream):
            decoder = Decoder(stream, self.codec, self.limits)
            packets = enumerate(coded(container, stream))
            for span in spans:
                entry = self._entry(span[0])
                for picture in decoder.run(packets, span, needed if is_selective else None):
                    index = self._index_of(picture.frame.pts, count)
                    count += 1
                    if index == entry:
                        entry = None
                    if index is not None and entry is None:
                        yield index, picture

    def _entry(self, packet: int) -> int | None:
        """The frame of a packet; None for the first packet, and for packets that are not shown."""
        frames = np.flatnonzero(self.table.packet == packet)
        return int(frames[0]) if packet and len(frames) else None

    def _index_of(self, pts: int | None, count: int) -> int | None:
        if self.table.index_of is None:
            return count
        return None if pts is None else self.table.index_of.get(pts)

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        """Open the container, and choose its best video stream."""
        try:
            container = av.open(
                io.BytesIO(self.data),
                mode="r",
                format=_DEMUXERS.get(self.name, self.name),
                container_options={
                    "protocol_whitelist": "none",
                    "codec_whitelist": ",".join((*CODECS, *_AV1_DECODERS)),
                },
                options={"max_pixels": str(self.limits.max_pixels)},
                metadata_errors="replace",
            )
        except FFmpegError as error:
            raise MalformedClip(
                f"The {self.name} can't be opened, it is cut or damaged: {error.strerror}."
            ) from error
        with container:
            stream = container.streams.best("video")
            is_cover = stream is not None and stream.disposition & Disposition.attached_pic
            if not isinstance(stream, VideoStream) or is_cover:
                raise UnsupportedMedia(f"The {self.name} has no video stream. Send {ACCEPTED}.")
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
