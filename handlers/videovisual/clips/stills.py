"""Clips made of pictures: a zip, a folder, parts of a request, or a single picture."""

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from videovisual.clips.alpha import over_black
from videovisual.clips.archive import DAMAGE
from videovisual.clips.limits import Limits
from videovisual.clips.source import Frames, Source, SourceInfo
from videovisual.errors import MalformedClip, TooLarge
from videovisual.utils.text import shown

FORMATS = ("PNG", "JPEG", "WEBP", "BMP")

_WITH_EXIF = ("JPEG", "MPO")
"""Formats whose EXIF orientation is applied: cameras write it, and it precedes the pixels."""

_WITH_ANIMATION = ("PNG", "WEBP")
"""Formats whose second frame would be lost. A JPEG's second picture is a preview."""

_ORIENTATION_TAG = 0x0112
_BOMB = (Image.DecompressionBombError, Image.DecompressionBombWarning)


Opener = Callable[[], IO[bytes]]
"""Opens a new stream of a picture's bytes."""


class StillsSource(Source):
    """Pictures of one size, without timestamps.

    Opening reads all headers; pixels are decoded on demand. EXIF orientation is applied,
    transparent pixels are laid over black, 16-bit grey keeps its upper 8 bits.

    Args:
        stills: the pictures in order, by the names that messages give them.
        name: the `SourceInfo.format`.
        sha256: the `SourceInfo.sha256`.
        limits: what the clip may cost.
        as_shown: whether EXIF orientation is applied.

    Raises:
        MalformedClip: no pictures; or one is not a picture, is damaged, or differs in size from
            the first.
        TooLarge: over one of the limits.
    """

    def __init__(
        self,
        stills: Mapping[str, Opener],
        name: str,
        sha256: str,
        limits: Limits,
        *,
        as_shown: bool = True,
    ) -> None:
        limits.check_frames(len(stills))
        if not stills:
            raise MalformedClip("The clip holds no pictures. Send PNG, JPEG, WebP or BMP frames.")
        self.stills = list(stills.items())
        self._as_shown = as_shown
        (width, height), is_turned = _size(*self.stills[0], limits, as_shown)
        for member, opener in self.stills[1:]:
            size, turns = _size(member, opener, limits, as_shown)
            is_turned = is_turned or turns
            if size != (width, height):
                raise MalformedClip(
                    f"{shown(member)} is {size[0]}×{size[1]}, but {shown(self.stills[0][0])} is "
                    f"{width}×{height}. All frames must have one size.",
                    member=shown(member),
                )
        changes = {"exif_orientation": True} if is_turned else {}
        if not as_shown:
            changes = {"as_shown": False}
        info = SourceInfo(name, None, width, height, len(stills), None, None, sha256, changes)
        super().__init__(info, None, limits)

    def _decode(self, wanted: Sequence[int]) -> Generator[tuple[int, Frames], None, None]:
        for index in wanted:
            with opened(*self.stills[index]) as image:
                pixels = rgb(image, as_shown=self._as_shown)
            yield index, pixels


@contextmanager
def opened(name: str, opener: Opener) -> Iterator[Image.Image]:
    """A picture, open while the context lasts.

    Raises:
        TooLarge: more pixels than Pillow opens.
        MalformedClip: it is no picture, or damaged, or found to be so inside the context.
    """
    try:
        with opener() as stream, Image.open(stream, formats=FORMATS) as image:
            yield image
    except UnidentifiedImageError:
        # Pillow's own message names the stream's address in memory.
        raise MalformedClip(
            f"{shown(name)} is not a PNG, JPEG, WebP or BMP picture, or is damaged.",
            member=shown(name),
        ) from None
    except _BOMB as error:
        raise TooLarge(
            f"{shown(name)}: {shown(error, 200)} Scale it down.", member=shown(name)
        ) from error
    except DAMAGE as error:
        raise MalformedClip(
            f"{shown(name)} is not a PNG, JPEG, WebP or BMP picture, or is damaged: "
            f"{shown(error, 200)}.",
            member=shown(name),
        ) from error


def _size(
    name: str, opener: Opener, limits: Limits, as_shown: bool
) -> tuple[tuple[int, int], bool]:
    """Width and height, and whether EXIF orientation is applied, from the header alone."""
    orientation = 1
    with opened(name, opener) as image:
        width, height = image.size
        count = getattr(image, "n_frames", 1) if image.format in _WITH_ANIMATION else 1
        if count > 1:
            raise MalformedClip(
                f"{shown(name)} is an animation of {count} frames. Send it as a clip of its own.",
                member=shown(name),
            )
        if as_shown and image.format in _WITH_EXIF:
            orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    if orientation >= 5:
        width, height = height, width
    limits.check_pixels(width, height, where=shown(name))
    return (width, height), orientation != 1


def rgb(image: Image.Image, *, as_shown: bool = True) -> Frames:
    """A picture's pixels, uint8 [H, W, 3], over black; upright where `as_shown`."""
    if as_shown and image.format in _WITH_EXIF:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if image.has_transparency_data:
        return over_black(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))
