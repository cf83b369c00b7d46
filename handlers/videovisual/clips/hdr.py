"""High dynamic range (ITU-R BT.2100) to BT.709, by FFmpeg's colour management (libswscale)."""

import threading
from functools import lru_cache
from typing import cast

from av.error import FFmpegError
from av.filter import Graph
from av.video.frame import VideoFrame

from videovisual.clips.source import Frames
from videovisual.errors import UnsupportedMedia

TRANSFERS = {16: "pq", 18: "hlg"}
"""The transfer functions by their number in ITU-T H.273."""

_UNSPECIFIED = 2
_BT2020 = 9
_LIMITED_RANGE = 1

_lock = threading.Lock()
"""A graph converts one picture at a time."""


def to_sdr(frame: VideoFrame) -> Frames:
    """Convert a picture of high dynamic range.

    Reference white, 203 cd/m² (ITU-R BT.2408), becomes white, so that everything up to it has the
    brightness that it has in a video of standard range, on which classifiers were trained.
    Colours out of BT.709 are mapped into it, and highlights are clipped.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        UnsupportedMedia: FFmpeg can't convert it.
    """
    if frame.color_primaries == _UNSPECIFIED:
        frame.color_primaries = _BT2020
    if frame.colorspace == _UNSPECIFIED:
        frame.colorspace = _BT2020
    frame.color_range = frame.color_range or _LIMITED_RANGE
    try:
        with _lock:
            graph = _graph(
                frame.width,
                frame.height,
                frame.format.name,
                frame.colorspace,
                frame.color_range,
                frame.color_trc,
                frame.color_primaries,
            )
            graph.push(frame)
            return cast(Frames, cast(VideoFrame, graph.pull()).to_ndarray())
    except FFmpegError as error:
        raise UnsupportedMedia(
            f"The video's high dynamic range can't be converted: {error.strerror}. Encode it in "
            "standard range, or ask for the stored pixels: as_shown=false."
        ) from error


@lru_cache(maxsize=4)
def _graph(
    width: int, height: int, pixels: str, space: int, levels: int, transfer: int, primaries: int
) -> Graph:
    """The conversion of pictures of one kind. Its colour table takes a second or two to make."""
    graph = Graph()
    graph.threads = 1
    source = graph.add(
        "buffer",
        f"video_size={width}x{height}:pix_fmt={pixels}:time_base=1/1:pixel_aspect=1/1"
        f":colorspace={space}:range={levels}",
    )
    steps = (
        graph.add("scale", "out_transfer=bt709:out_primaries=bt709:intent=relative_colorimetric"),
        graph.add("format", "pix_fmts=rgb24"),
        graph.add("buffersink"),
    )
    graph.link_nodes(source, *steps).configure()
    return graph
