"""Frames come in the order in which they are shown, whatever a container says."""

import io
import struct

import av
import numpy as np
import pytest
from tests.unit.clips.makers import encode, mux, numbers_of, packets_of, paint

from videovisual.clips import Sampling, open_bytes, sample
from videovisual.errors import MalformedClip

COUNT = 24
SIZE = (64, 48)
TICKS = 512
"""Of a frame, in an mp4's time base."""


def remuxed(video, container, change):
    """The packets that `change(number, packet)` lets through, after what it changes."""
    buffer = io.BytesIO()
    with av.open(io.BytesIO(video)) as source, av.open(buffer, "w", format=container) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size and change(number, packet):
                packet.stream = stream
                target.mux(packet)
    return buffer.getvalue()


def check(video, expected):
    """Read together, singly and backwards."""
    source = open_bytes(video)
    frames = source.read(range(source.info.frame_count))
    assert numbers_of(frames) == list(expected)
    for index in reversed(range(len(frames))):
        np.testing.assert_array_equal(source.read([index])[0], frames[index])
    assert (np.diff(source.times) > 0).all()
    return source


@pytest.fixture(scope="module")
def reordered():
    return encode(count=COUNT, size=SIZE, options=(("bf", "2"),), gop=8)


@pytest.fixture(scope="module")
def ffmpeg():
    pytest.importorskip("imageio_ffmpeg")
    from tests.unit.clips.matrix import ffmpeg

    return ffmpeg


def raw(count, size=SIZE):
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", 25]
    return [*source, "-i", "-"], b"".join(paint(number, *size).tobytes() for number in range(count))


@pytest.mark.parametrize("container", ["avi", "matroska"])
def test_packed_b_frames(container, ffmpeg, tmp_path):
    """Two pictures in a packet, then an empty one: so DivX and Xvid write, and old data sets."""
    source, pictures = raw(COUNT)
    codec = ["-c:v", "libxvid", "-bf", 2, "-q:v", 3]
    ffmpeg(*source, *codec, tmp_path / "packed.avi", stdin=pictures)
    made = tmp_path / "made"
    copy = ["-fflags", "+genpts", "-i", tmp_path / "packed.avi", "-c", "copy"]
    ffmpeg(*copy, "-f", container, made)
    shown = ffmpeg(
        "-i", made, "-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"
    )
    frames = np.frombuffer(shown, np.uint8).reshape(-1, SIZE[1], SIZE[0], 3)
    assert numbers_of(frames) == sorted(numbers_of(frames))
    check(made.read_bytes(), numbers_of(frames))


def test_time_stamps_in_decoding_order(reordered):
    """As AVI has, and what was converted from it."""

    def change(number, packet):
        packet.pts = packet.dts = TICKS * number
        return True

    check(remuxed(reordered, "matroska", change), range(COUNT))


def test_repeated_time_stamps(reordered):
    def change(_, packet):
        packet.pts -= packet.pts % (2 * TICKS)
        packet.dts -= 4 * TICKS
        return True

    source = check(remuxed(reordered, "matroska", change), range(COUNT))
    assert source.info.duration_s == pytest.approx(COUNT / 25, abs=0.05)


@pytest.mark.parametrize("first", [1, 5, 9])
@pytest.mark.parametrize("container", ["matroska", "mp4", "mpegts"])
def test_cut_clip_begins_at_the_first_frame_that_can_be_shown(reordered, first, container):
    cut = remuxed(reordered, container, lambda number, _: number >= first)
    source = check(cut, range(8 if first < 8 else 16, COUNT))
    (clip,) = sample(source, Sampling(4))
    first_shown = COUNT - source.info.frame_count
    assert numbers_of(clip.frames) == [first_shown + index for index in clip.indices]


def test_cut_clip_without_a_keyframe_has_no_frames(reordered):
    cut = remuxed(reordered, "matroska", lambda number, _: 0 < number < 8)
    with pytest.raises(MalformedClip, match="no frame that can be shown"):
        open_bytes(cut)


def test_leading_pictures_at_the_start_are_left_out():
    video = encode(
        container="mpegts",
        count=COUNT,
        size=SIZE,
        options=(("x264-params", "open-gop=1:bframes=2:b-adapt=0:keyint=8:min-keyint=8"),),
        gop=8,
    )
    with av.open(io.BytesIO(video)) as container:
        keys = [n for n, packet in enumerate(container.demux(video=0)) if packet.is_keyframe]
    cut = remuxed(video, "mpegts", lambda number, _: number >= keys[1])
    source = open_bytes(cut)
    numbers = numbers_of(source.read(range(source.info.frame_count)))
    assert numbers == list(range(numbers[0], COUNT))
    check(cut, numbers)


@pytest.mark.parametrize(("codec", "container"), [("libx264", "matroska"), ("mpeg4", "mp4")])
def test_packets_that_claim_to_be_keyframes(codec, container):
    video = encode(codec, container, count=COUNT, size=SIZE, options=(("bf", "0"),), gop=12)

    def change(_, packet):
        packet.is_keyframe = True
        return True

    check(remuxed(video, container, change), range(COUNT))


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_joined_streams_with_other_parameter_sets(container, ffmpeg, tmp_path):
    """The second one's parameter sets are sent once, and then its open groups go without."""
    source, pictures = raw(COUNT)
    params = "keyint=6:min-keyint=6:scenecut=0:b-adapt=0:open-gop=1"
    for name, extra in (("a.mp4", "bframes=0:cabac=0:ref=1"), ("b.mp4", "bframes=2:cabac=1:ref=3")):
        codec = ["-c:v", "libx264", "-x264-params", f"{params}:{extra}", "-pix_fmt", "yuv420p"]
        ffmpeg(*source, *codec, tmp_path / name, stdin=pictures)
    parts = tmp_path / "parts.txt"
    parts.write_text("file a.mp4\nfile b.mp4\n")
    joined = tmp_path / "joined"
    ffmpeg("-f", "concat", "-i", parts, "-c", "copy", "-f", container, joined)
    check(joined.read_bytes(), [*range(COUNT), *range(COUNT)])


def test_joined_broadcasts_start_their_time_stamps_again():
    part = encode(container="mpegts", count=COUNT, size=SIZE, options=(("bf", "2"),), gop=8)
    source = check(part + part, [*range(COUNT), *range(COUNT)])
    assert source.info.duration_s == pytest.approx(2 * COUNT / 25, abs=0.2)


def test_a_joined_broadcast_of_another_rate_keeps_its_own():
    """With one rate, frames at even steps would do as well."""
    parts = [encode(container="mpegts", count=COUNT, size=SIZE, rate=rate) for rate in (10, 25)]
    gaps = np.diff(open_bytes(b"".join(parts)).times)
    np.testing.assert_allclose(gaps[: COUNT - 1], 1 / 10, atol=0.001)
    np.testing.assert_allclose(gaps[COUNT:], 1 / 25, atol=0.001)


def test_joined_broadcasts_of_less_than_a_second_keep_their_rates():
    parts = [encode(container="mpegts", count=8, size=SIZE, rate=rate) for rate in (25, 10, 25)]
    gaps = np.diff(open_bytes(b"".join(parts)).times)
    np.testing.assert_allclose(gaps[:8], 1 / 25, atol=0.001)
    np.testing.assert_allclose(gaps[8:15], 1 / 10, atol=0.001)
    np.testing.assert_allclose(gaps[15:], 1 / 25, atol=0.001)


def test_a_resolution_that_changes_is_scaled_to_the_first(ffmpeg, tmp_path):
    for name, size in (("a.ts", SIZE), ("b.ts", (96, 64))):
        source, pictures = raw(COUNT, size)
        ffmpeg(*source, "-c:v", "libx264", "-pix_fmt", "yuv420p", tmp_path / name, stdin=pictures)
    joined = (tmp_path / "a.ts").read_bytes() + (tmp_path / "b.ts").read_bytes()
    source = check(joined, [*range(COUNT), *range(COUNT)])
    assert (source.info.width, source.info.height) == SIZE


def test_a_palette_reaches_frames_after_those_that_are_skipped(ffmpeg, tmp_path):
    """It stands in the header of an AVI, and FFmpeg sends it with the first packet alone."""
    source, pictures = raw(COUNT)
    codec = ["-vf", "format=gray,format=pal8", "-c:v", "rawvideo"]
    ffmpeg(*source, *codec, tmp_path / "palette.avi", stdin=pictures)
    check((tmp_path / "palette.avi").read_bytes(), range(COUNT))


def test_parts_of_a_stream_can_have_gaps(reordered):
    def change(number, packet):
        if number >= 8:
            packet.pts += 50 * TICKS
            packet.dts += 50 * TICKS
        return True

    source = check(remuxed(reordered, "matroska", change), range(COUNT))
    assert source.times[8] - source.times[7] == pytest.approx(2.04)


def put(data, path, change):
    """An mp4, with its index at the end, with the content of the box at `path` changed."""
    at = data.index(path[0]) - 4
    size = int.from_bytes(data[at : at + 4], "big")
    content = data[at + 8 : at + size]
    content = change(content) if len(path) == 1 else put(content, path[1:], change)
    box = (len(content) + 8).to_bytes(4, "big") + path[0] + content
    return data[:at] + box + data[at + size :]


def two_descriptions(first, second):
    """Packets of `second` after those of `first` in one track, with a sample description each."""

    def entries(data):
        at = data.index(b"stsd") - 4
        return data[at + 16 : at + int.from_bytes(data[at : at + 4], "big")]

    packets = []
    for video in (first, second):
        with av.open(io.BytesIO(video)) as source:
            packets += [packet for packet in source.demux(video=0) if packet.size]
    joined = io.BytesIO()
    with av.open(io.BytesIO(first)) as source, av.open(joined, "w", format="mp4") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packets):
            packet.stream = stream
            packet.pts = packet.dts = TICKS * number
            target.mux(packet)
    data, sizes = joined.getvalue(), [packet.size for packet in packets]
    starts = data.index(b"mdat") + 4 + np.cumsum([0, *sizes[:-1]])
    count = len(packets) // 2
    runs = struct.pack(">II6I", 0, 2, *(1, 1, 1), *(count + 1, 1, 2))
    offsets = struct.pack(f">II{len(starts)}I", 0, len(starts), *starts.tolist())
    table = (b"moov", b"trak", b"mdia", b"minf", b"stbl")
    both = struct.pack(">II", 0, 2) + entries(first) + entries(second)
    for name, content in ((b"stsd", both), (b"stsc", runs), (b"stco", offsets)):
        data = put(data, (*table, name), lambda _, new=content: new)
    return data


def test_a_second_sample_description_reaches_frames_after_those_that_are_skipped():
    """FFmpeg sends it with the first packet that it describes alone."""
    parts = [
        encode(count=COUNT, size=SIZE, gop=6, options=(("x264-params", f"bframes=0:{extra}"),))
        for extra in ("cabac=0:ref=1:8x8dct=0", "cabac=1:ref=3:8x8dct=1")
    ]
    check(two_descriptions(*parts), [*range(COUNT), *range(COUNT)])


def test_jpegs_whose_tables_came_before():
    """ISO/IEC 10918-1, B.5: a table holds until another one is sent."""
    fixed = (("qmin", "9"), ("qmax", "9"))
    packets = packets_of(encode("mjpeg", "avi", pixels="yuvj420p", count=COUNT, options=fixed))
    for number, packet in enumerate(packets):
        if number % 10:
            start = packet.index(b"\xff\xdb")
            size = 2 + int.from_bytes(packet[start + 2 : start + 4], "big")
            packets[number] = packet[:start] + packet[start + size :]
    check(mux(packets, "mjpeg", "avi"), range(COUNT))
