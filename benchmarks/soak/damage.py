"""Damage to bytes: at random, and to the numbers of a format."""

import io
import random
import zipfile
import zlib
from typing import Literal

from benchmarks.soak.originals import zipped
from benchmarks.soak.structure import Span, spans

MOST = 400_000
"""No damaged clip has more bytes."""


def damaged(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """The bytes with one to four faults, and their names."""
    names = []
    for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
        fault = rng.choice(FAULTS)
        data = fault(data, rng)[:MOST] if data else data
        names.append(fault.__name__.strip("_"))
    return data, "+".join(names)


def _flip(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64))):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def _flip_head(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    out[rng.randrange(min(len(out), 200))] = rng.randrange(256)
    return bytes(out)


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _behead(data: bytes, rng: random.Random) -> bytes:
    return data[rng.randrange(min(len(data), 64)) :]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice((1, 4, 100, 5000))) + data[at:]


def _delete(data: bytes, rng: random.Random) -> bytes:
    start, end = _two(len(data), rng)
    return data[:start] + data[end:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    start, end = _two(len(data), rng)
    return data[:end] + data[start:end] * rng.choice((1, 2, 20)) + data[end:]


def _blank(data: bytes, rng: random.Random) -> bytes:
    start, end = _two(len(data), rng)
    return data[:start] + bytes([rng.choice((0, 255))]) * (end - start) + data[end:]


def _swap(data: bytes, rng: random.Random) -> bytes:
    first, second = _two(len(data), rng)
    size = min(rng.choice((16, 256, 4096)), second - first, len(data) - second)
    return b"".join(
        (
            data[:first],
            data[second : second + size],
            data[first + size : second],
            data[first : first + size],
            data[second + size :],
        )
    )


def _number(data: bytes, rng: random.Random) -> bytes:
    """One number of the format becomes an extreme one."""
    numbers = [span for span in spans(data) if span.order]
    if not numbers:
        return _flip(data, rng)
    return _set(data, rng.choice(numbers), rng)


def _numbers(data: bytes, rng: random.Random) -> bytes:
    for _ in range(3):
        data = _number(data, rng)
    return data


def _set(data: bytes, span: Span, rng: random.Random) -> bytes:
    order: Literal["big", "little"] = "big" if span.order == "big" else "little"
    value = int.from_bytes(data[span.start : span.end], order)
    top = (1 << 8 * span.size) - 1
    extremes = (0, 1, 2, value + 1, value - 1, value * 2, value // 2, top, top // 2, top // 2 + 1)
    chosen = rng.choice((*extremes, 0x10000, rng.randrange(top + 1), len(data), len(data) * 1000))
    return data[: span.start] + (chosen & top).to_bytes(span.size, order) + data[span.end :]


def _block(data: bytes, rng: random.Random) -> bytes:
    """One block of the format is lost, doubled, renamed, or changes places with another."""
    found = [span for span in spans(data) if not span.order]
    if len(found) < 2:
        return _delete(data, rng)
    one, other = sorted(rng.sample(found, 2), key=lambda span: span.start)
    whole = data[one.start : one.end]
    how = rng.randrange(4)
    if how == 0:
        return data[: one.start] + data[one.end :]
    if how == 1:
        return data[: one.end] + whole + data[one.end :]
    if how == 2 or one.end > other.start:
        return data[: one.start] + rng.randbytes(min(4, one.size)) + data[one.start + 4 :]
    moved = data[other.start : other.end]
    return data[: one.start] + moved + data[one.end : other.start] + whole + data[other.end :]


UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, ValueError, OSError, EOFError),
    *(NotImplementedError, RuntimeError),
)
"""What zipfile raises for a damaged or encrypted archive."""


def _members(data: bytes) -> dict[str, bytes]:
    """A zip's members by name; empty for anything else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    except UNREADABLE:
        return {}


def _member(data: bytes, rng: random.Random) -> bytes:
    """A member of a zip is damaged within, under a checksum that fits."""
    members = _members(data)
    if not members:
        return _flip(data, rng)
    name = rng.choice(list(members))
    inner = members.pop(name)
    names = (name, name, name, f"../{name}", "a/" + name, name.upper(), "x" * 300, "frames.npy")
    fault = _header if inner.startswith(b"\x93NUMPY") else _any
    members[rng.choice(names)] = fault(inner, rng)
    return zipped(members)


def _any(data: bytes, rng: random.Random) -> bytes:
    return rng.choice((_flip, _truncate, _insert, _number, _block))(data, rng) if data else data


HEADERS = (
    ("'descr': '|u1'", ("'descr': '<f8'", "'descr': '|O'", "'descr': '<U9'", "'descr': '|b1'")),
    ("'descr': '|u1'", ("'descr': '>u2'", "'descr': [('a', '|u1')]", "'descr': '<c16'")),
    ("'descr': '<f8'", ("'descr': '<f2'", "'descr': '<i8'", "'descr': '|S8'", "'descr': '<M8[s]'")),
    ("False", ("True", "None", "0", "[" * 200)),
    ("(16, 64, 64, 3)", ("(16, 64, 64)", "(0, 64, 64, 3)", "(16, 64, 64, 4)", "(-1, 64, 64, 3)")),
    ("(16, 64, 64, 3)", ("(100000000, 64, 64, 3)", "(1, 1, 65536, 3)", "(16, 99999, 99999, 3)")),
    ("(16,)", ("()", "(16, 1)", "(999999999999,)", "(15,)")),
    ("()", ("(1,)", "(4000000000,)", "(2, 2)")),
)
"""What an array's header says, and what it might."""


def _header(data: bytes, rng: random.Random) -> bytes:
    """An array whose header says something else."""
    length = int.from_bytes(data[8:10], "little")
    text = data[10 : 10 + length].decode("latin-1").rstrip()
    given = [(old, new) for old, news in HEADERS if old in text for new in news]
    if not given or rng.random() < 0.3:
        return _any(data, rng)
    old, new = rng.choice(given)
    changed = (text.replace(old, new) + "\n").encode("latin-1")
    return data[:8] + len(changed).to_bytes(2, "little") + changed + data[10 + length :]


def _values(data: bytes, rng: random.Random) -> bytes:
    """The numbers of an array become extreme, under a checksum that fits."""
    members = _members(data)
    for name in ("timestamps.npy", "fps.npy"):
        if len(members.get(name, b"")) > 135:
            inner = bytearray(members[name])
            at = 128 + 8 * rng.randrange((len(inner) - 128) // 8)
            inner[at : at + 8] = rng.choice(DOUBLES)
            members[name] = bytes(inner)
            return zipped(members)
    return _flip(data, rng)


DOUBLES = (
    bytes(8),
    bytes(6) + b"\xf8\x7f",
    bytes(6) + b"\xf0\x7f",
    bytes(6) + b"\xf0\xff",
    bytes(7) + b"\x80",
    b"\x01" + bytes(7),
    b"\xff" * 6 + b"\xef\x7f",
    bytes(6) + b"\xf0\xbf",
)
"""Zero, NaN, both infinities, minus zero, the smallest and the largest double, and −1."""


def _two(size: int, rng: random.Random) -> tuple[int, int]:
    """Two positions in order, near each other more often than not."""
    start = rng.randrange(size)
    return start, min(size, start + 1 + int(rng.random() ** 4 * size))


FAULTS = (
    *(_flip, _flip, _flip_head, _truncate, _behead, _insert, _delete, _repeat, _blank, _swap),
    *(_number, _number, _number, _numbers, _block, _block, _member, _member, _values),
)
