"""Checks of an mp4's or mov's index (ISO/IEC 14496-12) before FFmpeg reads it.

FFmpeg's demuxer allocates at least 24 bytes for each sample that the file declares, and a
declaration can be a single number: a file of 2 KB can make it allocate gigabytes. So the declared
numbers are added up first. They are found by a search for their tags, because FFmpeg finds boxes at
any depth.
"""

import bisect
import struct
from collections.abc import Iterator
from itertools import pairwise

from videovisual.clips.limits import Limits
from videovisual.errors import MalformedClip, TooLarge

INDEX_ENTRIES_PER_FRAME = 50
"""Index entries allowed for each of `Limits.max_frames`: room for sound, subtitles and edits."""

_MOST_BOXES = 100_000
_PCM_SAMPLES_PER_ENTRY = 1024


def is_cut(data: bytes) -> bool:
    """Whether the file ends before the media data that it declares."""
    return any(end > len(data) for _, end in _top_level(data, b"mdat"))


def check_index(data: bytes, limits: Limits) -> None:
    """Refuse an index that takes far more memory than the clip's frames need.

    Raises:
        TooLarge: more than `INDEX_ENTRIES_PER_FRAME * limits.max_frames` entries.
        MalformedClip: there is no index, or it is compressed or in too many pieces.
    """
    boxes = _Boxes(data)
    if not boxes.find(b"moov") or any(end > len(data) for _, end in _top_level(data, b"moov")):
        raise MalformedClip(
            "The mp4 has no whole index (moov): the recording or the upload was cut short. Send "
            "the whole file."
        )
    if boxes.find(b"cmov"):
        raise MalformedClip("The mov's index is compressed, which is not read. Encode it again.")
    allowed = INDEX_ENTRIES_PER_FRAME * limits.max_frames
    for entries in boxes.claims():
        if entries > allowed:
            raise TooLarge(
                f"The mp4's index claims {entries} entries; at most {allowed} are read. Encode it "
                "again, or cut it.",
                limit="max_frames",
                allowed=allowed,
                found=entries,
            )


class _Boxes:
    """Finds boxes by type, at any depth, but not inside media data."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.ranges: list[tuple[int, int]] = []
        at = 0
        for start, end in [*_top_level(data, b"mdat"), (len(data), len(data))]:
            # FFmpeg can be led into an mdat by a sidx, which needs a track or a fragment there.
            if data.find(b"trak", start, end) < 0 and data.find(b"tfhd", start, end) < 0:
                self.ranges.append((at, start))
                at = end

    def find(self, tag: bytes) -> list[int]:
        """The offset of the content of each box of type `tag`."""
        found: list[int] = []
        for start, end in self.ranges:
            at = self.data.find(tag, start, end)
            while at >= 0:
                found.append(at + 4)
                at = self.data.find(tag, at + 4, end)
                if len(found) > _MOST_BOXES:
                    raise MalformedClip("The mp4's index is in too many pieces. Encode it again.")
        return found

    def number(self, at: int) -> int:
        """The 32-bit number at `at`; 0 past the end."""
        return int.from_bytes(self.data[at : at + 4], "big")

    def claims(self) -> Iterator[int]:
        """Numbers of index entries that the file declares, counted in several ways."""
        samples = sum(self.number(at + 4) for at in self.find(b"trun")) + self.samples()
        yield samples
        yield samples * max((self.number(at + 4) for at in self.find(b"elst")), default=0)
        runs = [(at + 8, self.number(at + 4)) for at in self.find(b"stsc")]
        yield sum(count for _, count in runs)
        lengths = (self.number(at + 12 * run + 4) for at, count in runs for run in range(count))
        chunks = (self.number(at + 4) for at in self.find(b"stco") + self.find(b"co64"))
        longest, most = max(lengths, default=0), max(chunks, default=0)
        yield longest // _PCM_SAMPLES_PER_ENTRY * min(most, len(self.data) // 4)

    def samples(self) -> int:
        """Samples of all size tables, except those of uncompressed sound.

        Such sound declares each of its samples, but FFmpeg indexes it by chunk.
        """
        tracks = self.find(b"trak")
        is_sound = [
            self.data.find(b"soun", start, end) >= 0 > self.data.find(b"vide", start, end)
            for start, end in pairwise([*tracks, len(self.data)])
        ]
        total = 0
        for at in self.find(b"stsz") + self.find(b"stz2"):
            size, count = self.number(at + 4), self.number(at + 8)
            track = bisect.bisect(tracks, at) - 1
            if track < 0 or not is_sound[track] or not 0 < size * count <= len(self.data):
                total += count
        return total


def _top_level(data: bytes, wanted: bytes) -> list[tuple[int, int]]:
    """Start and end of each `wanted` box at top level; the last may end after the file does."""
    found = []
    position = 0
    for _ in range(_MOST_BOXES):
        if position + 16 > len(data):
            break
        size, kind, long_size = struct.unpack_from(">I4sQ", data, position)
        size = {0: len(data) - position, 1: long_size}.get(size, size)
        if size < 8:
            break
        if kind == wanted:
            found.append((position, position + size))
        position += size
    return found
