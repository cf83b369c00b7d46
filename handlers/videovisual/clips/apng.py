"""Animated PNG files.

PNG (Third Edition), W3C 2025, sections 11.3.2 and 12. Pillow decodes the parts, but it composes
those that are blended over what is restored afterwards otherwise than players do.
"""

import io
import struct
import zlib
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from PIL import Image

from videovisual.clips.alpha import over_black
from videovisual.clips.animation import AnimationSource
from videovisual.clips.limits import Limits
from videovisual.clips.source import Frames
from videovisual.clips.stills import opened, rgb
from videovisual.errors import MalformedClip
from videovisual.utils.animation import PNG, png_chunks

_CONTROL = struct.Struct(">4xIIIIHHBB")
_CLEAR, _RESTORE = 1, 2
_OVER = 1
_COLOUR_CHUNKS = (b"PLTE", b"tRNS")


@dataclass(frozen=True)
class _Part:
    """The part of the canvas that one frame changes: place, pixels, and what becomes of it."""

    width: int
    height: int
    x: int
    y: int
    over: int
    under: int
    dispose: int
    blend: int
    data: list[memoryview] = field(default_factory=list)


class ApngSource(AnimationSource):
    """An animated PNG. A still before the animation is left out.

    Raises:
        MalformedClip: cut short or damaged.
        TooLarge: over one of the limits.
    """

    def __init__(self, data: bytes, sha256: str, limits: Limits) -> None:
        self._header = b""
        self._colours: list[tuple[bytes, bytes]] = []
        self._parts: list[_Part] = []
        try:
            size, declared = self._read(data, limits)
        except struct.error as error:
            raise MalformedClip("The PNG is cut or damaged. Send it again.") from error
        if declared != len(self._parts):
            raise MalformedClip(
                f"The PNG says that it has {declared} frames, and has {len(self._parts)}. It is "
                "cut or damaged: send it again."
            )
        for part in self._parts:
            if part.x + part.width > size[0] or part.y + part.height > size[1]:
                raise MalformedClip("A frame of the PNG leaves its canvas. Encode it again.")
        durations = [part.over / (part.under or 100) for part in self._parts]
        super().__init__("apng", size, durations, sha256, limits)

    def _read(self, data: bytes, limits: Limits) -> tuple[tuple[int, int], int]:
        """Read all headers; return the canvas's size and the declared number of frames."""
        file, view = io.BytesIO(data), memoryview(data)
        size, declared = (0, 0), 0
        for kind, length in png_chunks(file):
            at = file.tell()
            if kind == b"IHDR":
                self._header = data[at + 8 : at + 13]
                size = struct.unpack_from(">II", data, at)
                limits.check_pixels(*size)
            elif kind == b"acTL":
                (declared,) = struct.unpack_from(">I", data, at)
                limits.check_frames(declared)
            elif kind in _COLOUR_CHUNKS:
                self._colours.append((kind, data[at : at + length]))
            elif kind == b"fcTL":
                self._parts.append(_Part(*_CONTROL.unpack_from(data, at)))
                limits.check_frames(len(self._parts))
            elif kind in (b"IDAT", b"fdAT") and self._parts:
                skipped = 4 if kind == b"fdAT" else 0
                self._parts[-1].data.append(view[at + skipped : at + length])
        return size, declared

    def _decode(self, wanted: Sequence[int]) -> Generator[tuple[int, Frames], None, None]:
        remaining = set(wanted)
        for index, canvas in enumerate(self._composed(max(wanted, default=-1) + 1)):
            if index in remaining:
                yield index, over_black(np.asarray(canvas))

    def _composed(self, count: int) -> Iterator[Image.Image]:
        """The canvas at each of the first frames."""
        canvas = Image.new("RGBA", (self.info.width, self.info.height))
        for index, part in enumerate(self._parts[:count]):
            box = part.x, part.y, part.x + part.width, part.y + part.height
            # There is nothing before the first frame that could be restored.
            dispose = _CLEAR if part.dispose == _RESTORE and not index else part.dispose
            before = canvas.copy() if dispose == _RESTORE else canvas
            pixels = self._pixels(part, index)
            if part.blend == _OVER:
                canvas.alpha_composite(pixels, box[:2])
            else:
                canvas.paste(pixels, box[:2])
            yield canvas
            if dispose == _CLEAR:
                canvas.paste((0, 0, 0, 0), box)
            canvas = before

    def _pixels(self, part: _Part, index: int) -> Image.Image:
        head = struct.pack(">II", part.width, part.height) + self._header
        body = (b"IDAT", b"".join(part.data))
        chunks = [(b"IHDR", head), *self._colours, body, (b"IEND", b"")]
        still = PNG + b"".join(_chunk(kind, data) for kind, data in chunks)
        with opened(f"Frame {index}", partial(io.BytesIO, still)) as image:
            if image.mode.startswith("I"):
                return Image.fromarray(rgb(image)).convert("RGBA")
            return image.convert("RGBA")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
