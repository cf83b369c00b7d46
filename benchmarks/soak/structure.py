"""Where a file's format keeps its lengths, counts and types."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A stretch of a file that means something.

    Attributes:
        start: the first byte's position.
        size: bytes.
        order: byte order of a number, `big` or `little`; empty where it is no number.
    """

    start: int
    size: int
    order: str = ""

    @property
    def end(self) -> int:
        return self.start + self.size


def spans(data: bytes) -> list[Span]:
    """The numbers of a file's structure, and its blocks; empty for an unknown format."""
    return list(_reader(data)(data))


def _reader(data: bytes) -> Callable[[bytes], Iterator[Span]]:
    if data[4:8] in (b"ftyp", b"wide", b"free", b"mdat", b"moov"):
        return _boxes
    if data.startswith(b"\x1aE\xdf\xa3"):
        return _elements
    if data.startswith(b"RIFF"):
        return _chunks
    if data.startswith(b"PK"):
        return _entries
    if data.startswith(b"\x89PNG"):
        return _png
    return _head


def _boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """mp4 and mov: each box begins with a length and a type."""
    nested = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"moof", b"traf", b"mvex")
    end = len(data) if end is None else end
    while start + 8 <= end:
        size = int.from_bytes(data[start : start + 4], "big")
        if not 8 <= size <= end - start:
            return
        kind = data[start + 4 : start + 8]
        yield Span(start, 4, "big")
        yield Span(start + 4, 4)
        yield Span(start, size)
        if kind in nested:
            yield from _boxes(data, start + 8, start + size)
        elif kind != b"mdat":
            # Tables and headers are versions, counts and numbers of 32 bits.
            for at in range(start + 8, min(start + size, start + 120) - 3, 4):
                yield Span(at, 4, "big")
        start += size


def _elements(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Span]:
    """Matroska and WebM: each element begins with an id and a length of 1 to 8 bytes."""
    nested = (0x18538067, 0x1549A966, 0x1654AE6B, 0xAE, 0xE0, 0x1F43B675, 0xA0, 0x1C53BB6B, 0xBB)
    end = len(data) if end is None else end
    while start < end:
        id_size = _vint_size(data[start])
        if not id_size or start + id_size >= end:
            return
        number = int.from_bytes(data[start : start + id_size], "big")
        at = start + id_size
        size_size = _vint_size(data[at])
        if not size_size or at + size_size > end:
            return
        size = int.from_bytes(data[at : at + size_size], "big") & ((1 << 7 * size_size) - 1)
        body = at + size_size
        size = min(size, end - body)
        yield Span(start, id_size, "big")
        yield Span(at, size_size, "big")
        yield Span(start, body + size - start)
        if number in nested:
            yield from _elements(data, body, body + size)
        elif size <= 8:
            yield Span(body, size, "big")
        start = body + size


def _vint_size(first: int) -> int:
    return 9 - first.bit_length() if first else 0


def _chunks(data: bytes, start: int = 12, end: int | None = None) -> Iterator[Span]:
    """AVI and WebP: each chunk begins with a type and a length."""
    if start == 12:
        yield Span(4, 4, "little")
        yield Span(8, 4)
    end = len(data) if end is None else end
    while start + 8 <= end:
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        if size > end - start - 8:
            return
        yield Span(start, 4)
        yield Span(start + 4, 4, "little")
        yield Span(start, size + 8)
        if data[start : start + 4] == b"LIST":
            yield from _chunks(data, start + 12, start + 8 + size)
        elif data[start : start + 4] in (b"avih", b"strh", b"strf", b"idx1", b"ANMF", b"VP8X"):
            for at in range(start + 8, min(start + 8 + size, start + 80) - 3, 4):
                yield Span(at, 4, "little")
        start += 8 + size + size % 2


def _entries(data: bytes) -> Iterator[Span]:
    """Zip and npz: local headers, the central directory and its end."""
    layouts = {
        b"PK\x03\x04": "<4sHHHHHLLLHH",
        b"PK\x01\x02": "<4sHHHHHHLLLHHHHHLL",
        b"PK\x05\x06": "<4sHHHHLLH",
    }
    for mark, layout in layouts.items():
        at = data.find(mark)
        while at >= 0:
            yield from _numbers(at, layout)
            yield Span(at, struct.calcsize(layout))
            at = data.find(mark, at + 4)


def _numbers(start: int, layout: str) -> Iterator[Span]:
    for letter in layout.removeprefix("<").replace("4s", "4"):
        size = {"4": 4, "H": 2, "L": 4}[letter]
        yield Span(start, size, "" if letter == "4" else "little")
        start += size


def _png(data: bytes) -> Iterator[Span]:
    """PNG: a length, a type, the content and a checksum."""
    start = 8
    while start + 12 <= len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        if size > len(data) - start - 12:
            return
        yield Span(start, 4, "big")
        yield Span(start + 4, 4)
        yield Span(start, size + 12)
        for at in range(start + 8, start + 8 + min(size, 26) - 3, 4):
            yield Span(at, 4, "big")
        start += size + 12


def _head(data: bytes) -> Iterator[Span]:
    """GIF, JPEG and BMP: the numbers are in the first bytes."""
    for at in range(2, min(60, len(data) - 4), 2):
        yield Span(at, 2, "little")
        yield Span(at, 2, "big")
