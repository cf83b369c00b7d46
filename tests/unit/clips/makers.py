"""Makes clips whose frames show their own number, also after lossy coding."""

from __future__ import annotations

import functools
import io
import os
import struct
import tempfile
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

os.environ.setdefault("SVT_LOG", "0")  # else the AV1 encoder writes a page for each clip

BITS = 8
GROUND = (40, 60, 90)
QUICK = {
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "11"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none"},
}


def paint(number, width=176, height=96):
    """A frame: over a coloured ground, in the upper half, blocks that spell `number` in binary."""
    frame = np.empty((height, width, 3), np.uint8)
    frame[:] = GROUND
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        frame[: height // 2, left:right] = 255 * (number >> bit & 1)
    return frame


def number_of(frame):
    """The number that `paint` wrote."""
    height, width, _ = frame.shape
    number = 0
    for bit in range(BITS):
        left, right = bit * width // BITS, (bit + 1) * width // BITS
        margin = (right - left) // 4
        middle = frame[height // 8 : height * 3 // 8, left + margin : right - margin]
        number |= int(middle.mean() > 127) << bit
    return number


def numbers_of(frames):
    """`number_of` each frame."""
    return [number_of(frame) for frame in frames]


@functools.cache
def encode(
    codec="libx264",
    container="mp4",
    *,
    count=40,
    size=(176, 96),
    pixels="yuv420p",
    rate=25,
    stamps=None,
    options=(),
    muxer=(),
    gop=12,
):
    """A video of `paint`ed frames, with a time base of 1/1000 where `stamps` gives milliseconds."""
    frames = [paint(number, *size) for number in range(count)]
    return encode_frames(
        frames,
        codec,
        container,
        pixels=pixels,
        rate=rate,
        stamps=stamps,
        options=options,
        muxer=muxer,
        gop=gop,
    )


def encode_frames(
    frames,
    codec="libx264",
    container="mp4",
    *,
    pixels="yuv420p",
    rate=25,
    stamps=None,
    options=(),
    muxer=(),
    gop=12,
    prepare=None,
):
    """A video of `frames`; `prepare` is handed the stream before the first."""
    making = functools.partial(
        _made, frames, codec, container, pixels, rate, stamps, options, muxer, gop, prepare
    )
    # Of root the AV1 encoder makes a real-time thread, and so of all that it begins afterwards,
    # which two on two cores would never give up.
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(making).result()


def _made(frames, codec, container, pixels, rate, stamps, options, muxer, gop, prepare):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "clip")
        with av.open(path, "w", format=container, container_options=dict(muxer)) as output:
            stream = output.add_stream(
                codec, rate=rate, options=QUICK.get(codec, {}) | dict(options)
            )
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = pixels
            stream.gop_size = gop
            base = Fraction(1, rate) if stamps is None else Fraction(1, 1000)
            stream.codec_context.time_base = base
            if prepare is not None:
                prepare(stream)
            kind = "rgb24" if frames[0].shape[2] == 3 else "rgba"
            for number, pixels_ in enumerate(frames):
                frame = av.VideoFrame.from_ndarray(pixels_, format=kind).reformat(format=pixels)
                frame.pts = number if stamps is None else stamps[number]
                frame.time_base = base
                output.mux(stream.encode(frame))
            output.mux(stream.encode())
        return path.read_bytes()


def packets_of(video):
    """The coded packets of a video, in decode order."""
    with av.open(io.BytesIO(video)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def position_of(video, number):
    """Where in the file a packet's bytes begin, by its number in decode order."""
    with av.open(io.BytesIO(video)) as container:
        return [packet.pos for packet in container.demux(video=0) if packet.size][number]


def mux(packets, codec, container, size=(176, 96), rate=25):
    """A video of ready packets, one a frame, none of them reordered."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for number, data in enumerate(packets):
            packet = av.Packet(data)
            packet.stream = stream
            packet.pts = packet.dts = number
            packet.time_base = Fraction(1, rate)
            packet.is_keyframe = number == 0
            output.mux(packet)
    return buffer.getvalue()


def sequential(video):
    """All frames as a plain decode from the start gives them, converted as a clip's frames are."""
    with av.open(io.BytesIO(video)) as container:
        container.streams.video[0].thread_count = 1
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def picture(pixels, kind="PNG", **options):
    """A still's bytes."""
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def enormous_png():
    """A PNG of a few bytes whose header says that it is 60000×60000."""
    whole = picture(paint(3))
    header = b"IHDR" + struct.pack(">II", 60000, 60000) + whole[24:29]
    return patched(whole, 12, header + struct.pack(">I", zlib.crc32(header)))


def zipped(members, method=zipfile.ZIP_STORED):
    """A zip of (name, bytes) pairs."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


def npz(**arrays):
    """An npz's bytes."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def patched(data, at, new):
    """`data` with `new` written over it at `at`, an offset or the end of a tag that occurs."""
    position = at if isinstance(at, int) else data.index(at) + len(at)
    return data[:position] + new + data[position + len(new) :]


def named(pngs, pattern="{}.png"):
    """Pictures with numbered names, as members of a zip or files of a folder."""
    return [(pattern.format(number), data) for number, data in enumerate(pngs)]
