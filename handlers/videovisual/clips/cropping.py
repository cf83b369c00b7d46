"""Which part of its pictures a container asks to show.

FFmpeg reads it, but PyAV does not pass it on.

Matroska has PixelCrop elements (RFC 9559, 5.1.4.1.28), mp4 a clean aperture (ISO/IEC 14496-12,
12.1.4).
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from typing import NamedTuple

_SEGMENT, _TRACKS, _TRACK_ENTRY, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_PIXEL_CROP = (0x54CC, 0x54BB, 0x54DD, 0x54AA)
_MOST_ELEMENTS = 100_000


class Crop(NamedTuple):
    """Pixels that are not shown, at each side of a stored picture."""

    left: int
    top: int
    right: int
    bottom: int


NO_CROP = Crop(0, 0, 0, 0)


def crop_of(data: bytes, name: str, track: int, place: int, width: int, height: int) -> Crop:
    """The crop that a container asks for; `NO_CROP` if it asks for none, or for an impossible one.

    Args:
        data: the file.
        name: its format.
        track: the track's ID in an mp4.
        place: the track's place among the video tracks, from 0.
        width, height: of a stored picture.
    """
    if name in ("mkv", "webm"):
        crop = _pixel_crop(data, place)
    elif name in ("mp4", "mov"):
        crop = _clean_aperture(data, track, width, height)
    else:
        return NO_CROP
    fits = min(crop) >= 0 and crop.left + crop.right < width and crop.top + crop.bottom < height
    return crop if fits else NO_CROP


def _pixel_crop(data: bytes, place: int) -> Crop:
    for segment in _children(data, 0, len(data), _SEGMENT):
        for tracks in _children(data, *segment, _TRACKS):
            entries = _children(data, *tracks, _TRACK_ENTRY)
            videos = (video for entry in entries for video in _children(data, *entry, _VIDEO))
            if video := next(islice(videos, place, None), None):
                return Crop(*(_number(data, video, side) for side in _PIXEL_CROP))
    return NO_CROP


def _number(data: bytes, parent: tuple[int, int], wanted: int) -> int:
    found = next(_children(data, *parent, wanted), None)
    return 0 if found is None else int.from_bytes(data[slice(*found)][:8], "big")


def _children(data: bytes, start: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Start and end of the content of each `wanted` EBML element between `start` and `end`."""
    for _ in range(_MOST_ELEMENTS):
        if start + 2 > end:
            return
        kind, size_at = _vint(data, start, keeps_marker=True)
        size, content = _vint(data, size_at)
        # A size of ones alone is unknown: the element ends where its parent does.
        is_unknown = size == (1 << 7 * (content - size_at)) - 1
        stop = end if is_unknown else min(content + size, end)
        if kind == wanted:
            yield content, stop
        start = stop


def _vint(data: bytes, at: int, *, keeps_marker: bool = False) -> tuple[int, int]:
    """A number of variable length (RFC 8794, 4), and where it ends."""
    first = data[at] if at < len(data) else 0
    length = 9 - first.bit_length() if first else 8
    value = int.from_bytes(data[at : at + length], "big")
    return value if keeps_marker else value & ~(1 << 7 * length), at + length


def _clean_aperture(data: bytes, track: int, width: int, height: int) -> Crop:
    at = data.find(b"trak")
    while at >= 0:
        end = data.find(b"trak", at + 4)
        stop = len(data) if end < 0 else end
        if _track_id(data, at, stop) == track:
            clap = data.find(b"clap", max(data.find(b"stsd", at, stop), at), stop)
            return NO_CROP if clap < 0 else _aperture(data[clap + 4 : clap + 36], width, height)
        at = end
    return NO_CROP


def _track_id(data: bytes, start: int, stop: int) -> int:
    header = data.find(b"tkhd", start, stop)
    at = header + (24 if data[header + 4 : header + 5] == b"\1" else 16)
    return int.from_bytes(data[at : at + 4], "big") if header >= 0 else 0


def _aperture(box: bytes, width: int, height: int) -> Crop:
    if len(box) < 32:
        return NO_CROP
    numbers = struct.unpack(">IIIIiIiI", box)
    if 0 in numbers[1::2]:
        return NO_CROP
    shown_width, shown_height, right, down = (
        Fraction(*numbers[place : place + 2]) for place in (0, 2, 4, 6)
    )
    left, top = (width - shown_width) / 2 + right, (height - shown_height) / 2 + down
    return Crop(
        int(left) if left >= 0 else -1,
        int(top) if top >= 0 else -1,
        int(width - shown_width - left) if left + shown_width <= width else -1,
        int(height - shown_height - top) if top + shown_height <= height else -1,
    )
