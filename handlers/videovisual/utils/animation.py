"""The chunks of PNG and WebP files, which tell whether a picture is animated.

PNG (Third Edition), W3C 2025, section 5.3, and the WebP Container Specification, RFC 9649.
"""

import io
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from videovisual.errors import MalformedClip

PNG = b"\x89PNG\r\n\x1a\n"
MAX_CHUNKS = 200_000
"""Ten for each frame that a clip may have at the default limits."""

_ANIMATED = 0x02


def is_animated(clip: Path | bytes) -> bool:
    """Whether a file's headers say that it is an animated PNG or WebP; False if unreadable."""
    try:
        with io.BytesIO(clip) if isinstance(clip, bytes) else clip.open("rb") as file:
            head = file.read(12)
            if head.startswith(b"RIFF") and head[8:] == b"WEBP":
                chunk = file.read(9)
                return chunk.startswith(b"VP8X") and bool(chunk[-1] & _ANIMATED)
            if not head.startswith(PNG):
                return False
            return next(k for k, _ in png_chunks(file) if k in (b"acTL", b"IDAT")) == b"acTL"
    except (OSError, IndexError, StopIteration, MalformedClip):
        return False


def png_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """Kind and length of each chunk; the file then stands at the chunk's data.

    Raises:
        MalformedClip: more than `MAX_CHUNKS`.
    """
    at = len(PNG)
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head)
        yield kind, length
        at += 12 + length
    raise _too_many()


def webp_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """As `png_chunks`, of a WebP file."""
    at = 12
    for _ in range(MAX_CHUNKS):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            return
        kind, length = struct.unpack("<4sI", head)
        yield kind, length
        at += 8 + length + length % 2
    raise _too_many()


def _too_many() -> MalformedClip:
    return MalformedClip(f"The picture has more than {MAX_CHUNKS} chunks. Encode it again.")
