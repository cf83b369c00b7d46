"""Decoder settings that are sent within a stream: parameter sets, sequence headers, tables."""

from __future__ import annotations

import re
from typing import Any

from av.packet import Packet

_NAL = {"h264": (0, 0x1F, (7, 8), (1, 5)), "hevc": (1, 0x3F, (32, 33, 34), tuple(range(32)))}
"""Of codecs in NAL units: shift and mask of the type in the first byte, the types of parameter sets
and of pictures (ITU-T H.264, 7.4.1, and H.265, 7.4.2.2)."""

_LENGTH_SIZE_AT = {"h264": 4, "hevc": 21}
"""Where an `avcC` or `hvcC` says how many bytes the length of a NAL unit has."""

_SEQUENCE = {
    "mpeg4": re.compile(rb"\x00\x00\x01[\x20-\x2f].*?(?=\x00\x00\x01)", re.DOTALL),
    "mpeg1video": re.compile(rb"\x00\x00\x01\xb3.*?(?=\x00\x00\x01[\x00\xb8])", re.DOTALL),
    "mpeg2video": re.compile(rb"\x00\x00\x01\xb3.*?(?=\x00\x00\x01[\x00\xb8])", re.DOTALL),
    "vc1": re.compile(rb"\x00\x00\x01\x0f.*?(?=\x00\x00\x01\x0d)", re.DOTALL),
    "mjpeg": re.compile(rb"\xff\xdb.*?(?=\xff\xda)", re.DOTALL),
}
"""Sequence headers of the codecs that have start codes, and a JPEG's tables before its scan."""

_MOST_BYTES = 16_384
"""Settings stand at the front of a packet."""


class Headers:
    """Follows the settings that keyframes bring with them.

    A keyframe without settings of its own uses the last ones. If these are not those that the
    container gives, decoding must start where they were sent: streams that were joined are so.

    Args:
        codec: FFmpeg's name of the codec.
        extradata: the settings that the container gives.
    """

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        self._codec = codec
        self._given = bytes(extradata or b"")
        self._holder: int | None = None

    def start(self, number: int, packet: Packet[Any]) -> int:
        """The packet at which decoding of keyframe `number` starts."""
        units = self._units(bytes(memoryview(packet)[:_MOST_BYTES]))
        if units:
            is_known = self._holder is None and all(unit in self._given for unit in units)
            self._holder = None if is_known else number
            return number
        return number if self._holder is None else self._holder

    def _units(self, data: bytes) -> list[bytes]:
        if self._codec in _SEQUENCE:
            return _SEQUENCE[self._codec].findall(data)[:1]
        if self._codec not in _NAL:
            return []
        shift, mask, parameters, pictures = _NAL[self._codec]
        found = []
        for unit in self._split(data):
            kind = unit[0] >> shift & mask
            if kind in pictures:
                break
            if kind in parameters:
                found.append(unit)
        return found

    def _split(self, data: bytes) -> list[bytes]:
        at = _LENGTH_SIZE_AT[self._codec]
        if self._given[:1] != b"\1" or len(self._given) <= at:
            return [unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")[1:] if unit.strip(b"\0")]
        size = (self._given[at] & 3) + 1
        units, position = [], 0
        while position + size < len(data):
            length = int.from_bytes(data[position : position + size], "big")
            units.append(data[position + size : position + size + length])
            position += size + length
        return [unit for unit in units if unit]
