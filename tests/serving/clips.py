"""Files to upload."""

from __future__ import annotations

import io
import zipfile

import av
import numpy as np
import numpy.typing as npt
from PIL import Image
from tests.frames import blocks


def frames(count: int = 24) -> npt.NDArray[np.uint8]:
    """Source frames, uint8 [count, 96, 128, 3]."""
    return blocks(count, 96, 128)


def bikes_like_mp4(count: int = 24, fps: int = 25) -> bytes:
    """H.264 in mp4."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        for picture in frames(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def png(picture: npt.NDArray[np.uint8]) -> bytes:
    """One frame as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(names: list[str] | None = None, count: int = 16) -> bytes:
    """A zip of PNG frames."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for index, picture in enumerate(frames(count)):
            name = names[index] if names else f"{index:03d}.png"
            archive.writestr(name, png(picture))
    return buffer.getvalue()


def bomb() -> bytes:
    """A zip of 2 MB that says it holds 2 GB of frames."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(20):
            with archive.open(f"{index:03d}.png", "w", force_zip64=True) as member:
                for _ in range(100):
                    member.write(bytes(1 << 20))
    return buffer.getvalue()


def npz(array: npt.NDArray[np.generic], **more: npt.NDArray[np.generic]) -> bytes:
    """An npz with `frames`."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=True, frames=array, **more)
    return buffer.getvalue()
