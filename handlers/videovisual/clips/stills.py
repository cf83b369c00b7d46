"""Clips made of pictures: a zip, a folder, parts of a request, or a single picture."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
from PIL import Image, ImageOps

from videovisual.clips.alpha import over_black
from videovisual.clips.archive import DAMAGE
from videovisual.clips.limits import Limits
from videovisual.clips.source import Frames, Source, SourceInfo
from videovisual.errors import MalformedClip, TooLarge

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")

_TURNED = ("JPEG", "MPO")
"""Formats whose EXIF orientation is applied: cameras write it, and it precedes the pixels."""

_ORIENTATION_TAG = 0x0112
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Still:
    """One picture that was not read yet.

    Attributes:
        name: its name in messages.
        open: opens a new stream of its bytes.
    """

    name: str
    open: Callable[[], IO[bytes]]


def in_memory(name: str, data: bytes) -> Still:
    """A picture whose bytes are in memory."""
    return Still(name, lambda: io.BytesIO(data))


class StillsSource(Source):
    """Pictures of one size, without timestamps.

    Opening reads all headers; pixels are decoded on demand. EXIF orientation is applied,
    transparent pixels are laid over black, 16-bit grey keeps its upper 8 bits.

    Raises:
        MalformedClip: no pictures; or one is not a picture, is damaged, or differs in size from
            the first.
        TooLarge: over one of the limits.
    """

    def __init__(self, stills: Sequence[Still], name: str, sha256: str, limits: Limits) -> None:
        limits.check_frames(len(stills))
        if not stills:
            raise MalformedClip("The clip holds no pictures. Send PNG, JPEG, WebP or BMP frames.")
        width, height = _size(stills[0], limits)
        for still in stills[1:]:
            if (size := _size(still, limits)) != (width, height):
                raise MalformedClip(
                    f"{still.name} is {size[0]}×{size[1]}, but {stills[0].name} is "
                    f"{width}×{height}. All frames must have one size.",
                    member=still.name,
                )
        info = SourceInfo(name, None, width, height, len(stills), None, None, sha256)
        super().__init__(info, None, limits)
        self.stills = tuple(stills)

    def _decode(self, wanted: Sequence[int]) -> Generator[tuple[int, Frames], None, None]:
        for index in wanted:
            with _opened(self.stills[index]) as image:
                pixels = _rgb(image)
            yield index, pixels


@contextmanager
def _opened(still: Still) -> Iterator[Image.Image]:
    try:
        with still.open() as stream, Image.open(stream, formats=FORMATS) as image:
            yield image
    except _BOMB as error:
        raise TooLarge(f"{still.name}: {error} Scale it down.", member=still.name) from error
    except DAMAGE as error:
        raise MalformedClip(
            f"{still.name} is not a PNG, JPEG, WebP or BMP picture, or is damaged: {error}",
            member=still.name,
        ) from error


def _size(still: Still, limits: Limits) -> tuple[int, int]:
    """(width, height) as shown, from the header alone."""
    with _opened(still) as image:
        width, height = image.size
        if image.format in _TURNED and image.getexif().get(_ORIENTATION_TAG, 1) >= 5:
            width, height = height, width
    limits.check_pixels(width, height, where=still.name)
    return width, height


def _rgb(image: Image.Image) -> Frames:
    if image.format in _TURNED:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if image.has_transparency_data:
        return over_black(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))
