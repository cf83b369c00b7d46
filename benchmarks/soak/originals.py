"""Valid clips of every format, which the soak damages."""

import io
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from videovisual import motion

if TYPE_CHECKING:
    from av.video.stream import VideoStream

Frames = npt.NDArray[np.uint8]

FPS = 8
CONTAINERS = {
    "mp4": ("mp4", "libx264", "yuv420p"),
    "fragmented": ("mp4", "libx264", "yuv420p"),
    "mov": ("mov", "mpeg4", "yuv420p"),
    "mkv": ("matroska", "libx264", "yuv420p"),
    "webm": ("webm", "libvpx-vp9", "yuv420p"),
    "avi": ("avi", "mpeg4", "yuv420p"),
    "mjpeg": ("avi", "mjpeg", "yuvj420p"),
    "gif": ("gif", "gif", "rgb8"),
}
"""Container, encoder and pixel format by name."""

# Slower presets give other bytes from time to time.
FASTEST = {"preset": "ultrafast"}

STILLS = {"png": "PNG", "jpeg": "JPEG", "bmp": "BMP", "webp": "WEBP"}


def originals() -> dict[str, bytes]:
    """One clip a format: 16 frames of 64 × 64, from Motion."""
    frames = motion.sample(0).frames
    stills = {name: still(frames[0], kind) for name, kind in STILLS.items()}
    return {
        **{name: video(frames, name) for name in CONTAINERS},
        **stills,
        "apng": animated(frames, "PNG"),
        "animated webp": animated(frames, "WEBP"),
        "npz": npz(frames=frames, fps=np.float64(FPS)),
        "timed npz": npz(frames=frames, timestamps=np.arange(len(frames)) / FPS),
        "zip of png": zipped({f"{at:03}.png": still(one) for at, one in enumerate(frames)}),
        "zip of jpeg": zipped({f"f{at}.jpg": still(one, "JPEG") for at, one in enumerate(frames)}),
    }


def parts() -> dict[str, bytes]:
    """The frames of the same clip as the parts of a form."""
    frames = motion.sample(0).frames
    return {f"frame_{at:03}": still(one, "JPEG") for at, one in enumerate(frames)}


def video(frames: Frames, name: str) -> bytes:
    """An encoded video, the same bytes at every call."""
    container, encoder, pixels = CONTAINERS[name]
    options = {"movflags": "frag_keyframe+empty_moov"} if name == "fragmented" else {}
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options={**options, "fflags": "bitexact"}) as out:
        speed = FASTEST if encoder == "libx264" else {}
        stream = cast("VideoStream", out.add_stream(encoder, rate=FPS, options=speed))
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pixels
        stream.codec_context.thread_count = 1
        for picture in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return buffer.getvalue()


def still(frame: Frames, kind: str = "PNG") -> bytes:
    """One frame as a picture."""
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, kind)
    return buffer.getvalue()


def animated(frames: Frames, kind: str) -> bytes:
    """The frames as one animated picture."""
    first, *others = map(Image.fromarray, frames)
    buffer = io.BytesIO()
    first.save(buffer, kind, save_all=True, append_images=others, duration=1000 // FPS)
    return buffer.getvalue()


def npz(**arrays: npt.NDArray[np.generic] | np.generic) -> bytes:
    """An npz, compressed."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip, the same bytes at every call."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=method)
    return buffer.getvalue()
