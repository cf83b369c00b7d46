import io
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from tests.unit.clips.makers import encode, numbers_of, paint, patched

from videovisual.clips import Limits, boxes, open_bytes
from videovisual.errors import MalformedClip, TooLarge

HUGE = struct.pack(">I", 50_000_000)
FRAGMENTED = (("movflags", "frag_keyframe+empty_moov+default_base_moof"),)


def with_sound(seconds):
    """A mov with uncompressed sound, whose index has a sample an instant."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mov") as output:
        sound = output.add_stream("pcm_s16le", rate=48000, layout="mono")
        video = output.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 176, 96, "yuv420p"
        for number in range(4):
            output.mux(video.encode(av.VideoFrame.from_ndarray(paint(number), format="rgb24")))
        output.mux(video.encode())
        for second in range(seconds):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.int16), "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = (
                48000,
                second * 48000,
                Fraction(1, 48000),
            )
            output.mux(sound.encode(frame))
        output.mux(sound.encode())
    return buffer.getvalue()


def claims(tag, skip, number, video):
    """The video with a number written `skip` bytes after a box's type."""
    return patched(video, video.index(tag) + len(tag) + skip, number)


@pytest.mark.parametrize(
    "video",
    [
        lambda: claims(b"stsz", 4, struct.pack(">I", 10) + HUGE, encode()),
        lambda: claims(b"stsz", 4, struct.pack(">I", 0) + HUGE, encode()),
        lambda: claims(b"stsc", 4, HUGE, encode()),
        lambda: claims(b"trun", 4, HUGE, encode(muxer=FRAGMENTED)),
        lambda: claims(b"elst", 4, HUGE, encode()),
    ],
    ids=["samples of one size", "samples", "chunks", "fragment", "edits"],
)
def test_index_that_declares_millions_of_entries(video):
    with pytest.raises(TooLarge, match="index claims") as raised:
        open_bytes(video())
    assert raised.value.detail["found"] >= 50_000_000


def test_entries_of_all_fragments_add_up():
    video = encode(muxer=FRAGMENTED)
    assert video.count(b"trun") == 4
    boxes.check_index(video, Limits(max_frames=1, max_bytes=1))
    with pytest.raises(TooLarge):
        boxes.check_index(video * 2, Limits(max_frames=1))


def test_uncompressed_sound_is_indexed_by_chunk():
    video = with_sound(30)
    assert struct.pack(">II", 2, 30 * 48000) in video
    assert numbers_of(open_bytes(video).read([0, 3])) == [0, 3]
    at = video.index(b"stsc", video.index(b"soun")) + 4
    with pytest.raises(TooLarge, match="index claims"):
        open_bytes(patched(video, at + 12, struct.pack(">I", 2**31)))


def test_sound_that_is_not_there_counts():
    video = with_sound(2)
    claim = struct.pack(">II", 2, 40_000_000)
    with pytest.raises(TooLarge):
        open_bytes(video.replace(struct.pack(">II", 2, 2 * 48000), claim))


def test_compressed_index():
    with pytest.raises(MalformedClip, match="compressed"):
        open_bytes(encode().replace(b"mvhd", b"cmov"))


def test_pictures_that_happen_to_spell_a_box():
    video = encode()
    inside = video.index(b"mdat") + 100
    boxes.check_index(patched(video, inside, b"stsz" + bytes(4) + HUGE * 2), Limits())


def test_index_inside_of_the_pictures_is_found():
    """Where a segment index can lead FFmpeg."""
    video = encode()
    hidden = b"trak" + bytes(20) + b"stsz" + bytes(4) + HUGE * 2
    with pytest.raises(TooLarge):
        boxes.check_index(patched(video, video.index(b"mdat") + 100, hidden), Limits())


@pytest.mark.parametrize("size", [0xFFFFFFF0, 1])
def test_box_that_declares_gigabytes(size):
    video = encode()
    for tag in (b"mdat", b"moov"):
        claim = patched(video, video.index(tag) - 4, struct.pack(">I", size))
        with pytest.raises(MalformedClip):
            open_bytes(claim)


def test_whole_and_cut_files_are_told_apart():
    video = encode(muxer=(("movflags", "faststart"),))
    assert not boxes.is_cut(video)
    assert not boxes.is_cut(video + bytes(100))
    assert boxes.is_cut(video[:-1])


def test_long_form_of_a_size():
    video = encode()
    at = video.index(b"mdat") - 4
    size = struct.unpack_from(">I", video, at)[0]
    assert video[at - 8 : at] == b"\x00\x00\x00\x08free"
    long = struct.pack(">I4sQ", 1, b"mdat", size + 8)
    assert numbers_of(open_bytes(patched(video, at - 8, long)).read([5])) == [5]


@pytest.mark.parametrize("data", [b"", b"moov", b"\x00\x00\x00\x02moov", b"mdat" * 3000])
def test_any_bytes_are_accepted_by_the_scan(data):
    boxes.is_cut(data)
    with pytest.raises(MalformedClip):
        boxes.check_index(data.replace(b"moov", b"free"), Limits())
