"""Writes into a video's container which part of its pictures is shown."""

from __future__ import annotations

import struct

Sides = tuple[int, int, int, int]
"""Pixels left out at the left, top, right and bottom."""

_VIDEO = (0x1654AE6B, 0xAE, 0xE0)
_CLUSTER = bytes.fromhex("1f43b675")
_PIXEL_CROP = (0x54CC, 0x54BB, 0x54DD, 0x54AA)
_BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_BEFORE_ENTRIES = 8


def with_pixel_crop(data: bytes, crop: Sides) -> bytes:
    """A Matroska file, written to a pipe, with PixelCrop elements in its first video track."""
    elements = b"".join(
        _id(kind) + bytes((0x82, *side.to_bytes(2, "big")))
        for kind, side in zip(_PIXEL_CROP, crop, strict=True)
    )
    at = data.rindex(_id(_VIDEO[0]), 0, data.index(_CLUSTER))
    return data[:at] + _grown(data[at:], _VIDEO, elements)


def _grown(data: bytes, path: tuple[int, ...], added: bytes) -> bytes:
    """`data`, which begins with an element, with bytes added in an element within it."""
    kind = _id(path[0])
    assert data.startswith(kind)
    length = 9 - data[len(kind)].bit_length()
    start = len(kind) + length
    size = int.from_bytes(data[len(kind) : start], "big") & ~(1 << 7 * length)
    content, rest = data[start : start + size], data[start + size :]
    if len(path) > 1:
        inner = _place(content, path[1])
        content = content[:inner] + _grown(content[inner:], path[1:], added)
    else:
        content += added
    return kind + (1 << 56 | len(content)).to_bytes(8, "big") + content + rest


def _place(content: bytes, wanted: int) -> int:
    at = 0
    while not content.startswith(_id(wanted), at):
        at += 9 - content[at].bit_length()
        length = 9 - content[at].bit_length()
        at += length + (int.from_bytes(content[at : at + length], "big") & ~(1 << 7 * length))
    return at


def _id(kind: int) -> bytes:
    return kind.to_bytes((kind.bit_length() + 7) // 8, "big")


def with_clap(data: bytes, crop: Sides) -> bytes:
    """An mp4 with its index at the end, with a clean aperture in each of its video's entries."""
    at = data.index(b"moov") - 4
    places = []
    for box in _BOXES:
        at = data.index(box, at) - 4
        places.append(at)
        at += 8
    count, entry = int.from_bytes(data[at + 4 : at + 8], "big"), at + _BEFORE_ENTRIES
    data, end = bytearray(data), entry
    for _ in range(count):
        size, _, _, _, width, height = struct.unpack_from(">I4s8s16sHH", data, end)
        box = _clap(width, height, crop)
        data[end + size : end + size] = box
        for place in (*places, end):
            struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + len(box))
        end += size + len(box)
    return bytes(data)


def _clap(width: int, height: int, crop: Sides) -> bytes:
    left, top, right, bottom = crop
    return struct.pack(
        ">I4sIIIIiIiI",
        40,
        b"clap",
        *(width - left - right, 1, height - top - bottom, 1),
        *(left - right, 2, top - bottom, 2),
    )
