import gc
import hashlib
import io
import struct
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
from tests.unit.clips.makers import (
    encode,
    encode_frames,
    mux,
    numbers_of,
    packets_of,
    paint,
    patched,
    position_of,
    sequential,
)

from videovisual.clips import Limits, Sampling, open_bytes, sample
from videovisual.errors import MalformedClip

CODECS = [
    # FFmpeg's codec, container, pixel format, options, what the source says it is
    ("libx264", "mp4", "yuv420p", {"bf": "3"}, ("mp4", "h264")),
    ("libx264", "mov", "yuv420p", {"bf": "0"}, ("mov", "h264")),
    ("libx264", "matroska", "yuv420p", {"bf": "3"}, ("mkv", "h264")),
    ("libx264", "avi", "yuv420p", {"bf": "3"}, ("avi", "h264")),
    ("libx264", "mp4", "yuv444p", {"bf": "3"}, ("mp4", "h264")),
    ("libx264", "mp4", "yuv420p10le", {"bf": "3"}, ("mp4", "h264")),
    ("libx265", "mp4", "yuv420p", {}, ("mp4", "hevc")),
    ("libx265", "matroska", "yuv420p10le", {}, ("mkv", "hevc")),
    ("libvpx", "webm", "yuv420p", {"auto-alt-ref": "1", "deadline": "good"}, ("webm", "vp8")),
    ("libvpx-vp9", "webm", "yuv420p", {}, ("webm", "vp9")),
    ("libsvtav1", "mp4", "yuv420p", {}, ("mp4", "av1")),
    ("libsvtav1", "webm", "yuv420p10le", {}, ("webm", "av1")),
    ("mpeg4", "avi", "yuv420p", {"bf": "2"}, ("avi", "mpeg4")),
    ("mpeg4", "mp4", "yuv420p", {"bf": "2"}, ("mp4", "mpeg4")),
    ("mjpeg", "avi", "yuvj420p", {}, ("avi", "mjpeg")),
    ("gif", "gif", "rgb8", {}, ("gif", "gif")),
    ("ffv1", "matroska", "yuv420p", {}, ("mkv", "ffv1")),
    ("prores_ks", "mov", "yuv422p10le", {}, ("mov", "prores")),
    ("rawvideo", "avi", "yuv420p", {}, ("avi", "rawvideo")),
]


@pytest.fixture(params=CODECS, ids=lambda case: "-".join(case[:3]))
def case(request):
    codec, container, pixels, options, names = request.param
    video = encode(codec, container, pixels=pixels, options=tuple(options.items()))
    return video, names


def test_each_codec_gives_the_frames_asked_for(case):
    video, names = case
    source = open_bytes(video)
    info = source.info
    assert (info.format, info.codec) == names
    assert (info.width, info.height, info.frame_count) == (176, 96, 40)
    assert (info.duration_s, info.fps) == (pytest.approx(1.6), pytest.approx(25))
    assert info.sha256 == hashlib.sha256(video).hexdigest()
    np.testing.assert_allclose(source.times, np.arange(40) / 25, atol=1e-9)
    assert numbers_of(source.read(range(40))) == list(range(40))


def test_each_codec_reads_in_midstream_what_it_reads_in_sequence(case):
    video, _ = case
    source = open_bytes(video)
    whole = source.read(range(40))
    for index in (0, 13, 23, 24, 35, 39):
        np.testing.assert_array_equal(source.read([index])[0], whole[index])
    order = [31, 2, 2, 30, 17]
    np.testing.assert_array_equal(source.read(order), whole[order])


def test_pixels_are_those_of_a_plain_decode(mp4):
    np.testing.assert_array_equal(open_bytes(mp4).read(range(40)), sequential(mp4))


@pytest.mark.parametrize(
    "options",
    [
        (("x264-params", "open-gop=1:bframes=3:b-pyramid=normal"),),
        (("x264-params", "intra-refresh=1:bframes=0"),),
        (("x264-params", "bframes=3:slices=3:weightp=2:ref=4"),),
    ],
    ids=["open-gop", "intra-refresh", "slices"],
)
@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_every_frame_is_exact_wherever_reading_begins(options, container):
    video = encode(container=container, options=options, count=60)
    source = open_bytes(video)
    plain = sequential(video)
    for index in range(60):
        np.testing.assert_array_equal(source.read([index])[0], plain[index], err_msg=f"{index}")


@pytest.mark.parametrize("extra", ["open-gop=0", "open-gop=1"])
def test_only_groups_with_wanted_frames_are_decoded(extra):
    # Damage in the first group is met only by who reads there, leading pictures included.
    video = encode(options=(("x264-params", f"{extra}:bframes=3:b-adapt=0"),), count=48)
    source = open_bytes(video)
    damaged = open_bytes(patched(video, position_of(video, 1) + 4, bytes(20)))
    second_key = int(np.unique(source.table.start)[1])
    wanted = [index for index in range(48) if source.table.start[index] >= second_key]
    assert len(wanted) > 30
    for index in wanted:
        np.testing.assert_array_equal(damaged.read([index]), source.read([index]))
    with pytest.raises(MalformedClip, match="damaged"):
        damaged.read(range(48))


def test_variable_rate():
    stamps = (0, 40, 80, 300, 310, 500, 1000, 1040)
    source = open_bytes(encode(count=8, stamps=stamps))
    np.testing.assert_allclose(source.times, np.array(stamps) / 1000, atol=1e-4)
    (clip,) = sample(source, Sampling(10, end_s=1.0))
    assert clip.indices == (1, 2, 2, 4, 4, 5, 5, 5, 5, 5)
    assert numbers_of(clip.frames) == list(clip.indices)
    np.testing.assert_allclose(clip.timestamps, source.times[list(clip.indices)])


def test_matroska_times_are_not_off_by_its_rounding():
    sampling = Sampling(16, fps=15.0)
    videos = [encode(container=kind, count=90, rate=30) for kind in ("mp4", "matroska")]
    (exact,), (rounded,) = (sample(open_bytes(video), sampling) for video in videos)
    assert rounded.indices == exact.indices
    assert set(np.diff(exact.indices)) == {2}


def test_matroska_times_of_no_constant_rate_stay():
    stamps = (0, 33, 67, 103, 133, 167)
    source = open_bytes(encode(container="matroska", count=6, rate=30, stamps=stamps))
    np.testing.assert_allclose(source.times, np.array(stamps) / 1000)


def test_last_frame_is_shown_for_its_duration():
    frames = [paint(number) for number in range(4)]
    video = encode_frames(frames, "gif", "gif", pixels="rgb8", rate=10)
    extension = video.rindex(b"\x21\xf9\x04")
    source = open_bytes(patched(video, extension + 4, struct.pack("<H", 70)))
    assert source.info.duration_s == pytest.approx(1.0)
    (clip,) = sample(source, Sampling(10))
    assert clip.indices == (0, 1, 2, 3, 3, 3, 3, 3, 3, 3)


def test_stream_that_begins_late_counts_from_its_first_frame():
    stamps = tuple(5000 + 40 * number for number in range(30))
    for container in ("matroska", "mp4"):
        source = open_bytes(encode(container=container, count=30, stamps=stamps))
        np.testing.assert_allclose(source.times, np.arange(30) / 25, atol=1e-9)
        assert source.info.duration_s == pytest.approx(1.2)
        (clip,) = sample(source, Sampling(4, start_s=0.4, end_s=0.56))
        assert numbers_of(clip.frames) == [10, 11, 12, 13]


def test_edit_list_hides_the_frames_before_it(mp4):
    at = mp4.index(b"elst") + 12
    duration, media_time = struct.unpack_from(">Ii", mp4, at)
    skipped = 17  # the group begins at frame 12, so five frames are decoded and not shown
    edited = struct.pack(">Ii", duration - 40 * skipped, media_time + 512 * skipped)
    source = open_bytes(patched(mp4, at, edited))
    assert source.info.frame_count == 40 - skipped
    assert numbers_of(source.read([0, 3, 22])) == [17, 20, 39]


def test_fragmented_mp4():
    muxer = (("movflags", "frag_keyframe+empty_moov+default_base_moof"),)
    source = open_bytes(encode(muxer=muxer))
    assert numbers_of(source.read([39, 20])) == [39, 20]


def not_coded(packet):
    """MPEG-4 part 2: a dropped frame is a few bytes that say that nothing is coded."""
    at = packet.index(b"\x00\x00\x01\xb6") + 4
    head = int.from_bytes(packet[at : at + 2], "big")
    # coding type 2 bits, seconds 1, marker 1, time in 25ths 5, marker 1, vop_coded 1
    is_coded = 1 << (16 - 11)
    assert head & is_coded
    return packet[:at] + (head & ~(2 * is_coded - 1)).to_bytes(2, "big")


def not_shown(packet):
    """VP8: a picture that is only there to be predicted from (RFC 6386, 9.1)."""
    assert packet[0] & 0x10
    return bytes([packet[0] & ~0x10]) + packet[1:]


@pytest.mark.parametrize(
    ("codec", "container", "drop"), [("mpeg4", "avi", not_coded), ("libvpx", "webm", not_shown)]
)
def test_packet_without_a_picture_is_no_frame_and_the_last_one_stays(codec, container, drop):
    packets = packets_of(encode(codec, container, count=12, options=(("bf", "0"),)))
    packets[5], packets[7] = drop(packets[5]), drop(packets[7])
    source = open_bytes(mux(packets, codec, container))
    assert numbers_of(source.read(range(10))) == [0, 1, 2, 3, 4, 6, 8, 9, 10, 11]
    assert numbers_of(source.read([5])) == [6]
    assert source.info.duration_s == pytest.approx(12 / 25)
    (clip,) = sample(source, Sampling(12))
    assert numbers_of(clip.frames) == [0, 1, 2, 3, 4, 4, 6, 6, 8, 9, 10, 11]


def test_reads_may_overlap(mp4):
    source = open_bytes(mp4)
    whole = source.read(range(40))
    wanted = [[index, 39 - index] for index in range(16)]
    with ThreadPoolExecutor(4) as pool:
        for indices, frames in zip(wanted, pool.map(source.read, wanted), strict=True):
            np.testing.assert_array_equal(frames, whole[indices])


def test_nothing_is_held_between_reads(mp4):
    def handles():
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir())), len(
            list(Path("/proc/self/task").iterdir())
        )

    if not Path("/proc/self/task").is_dir():
        pytest.skip("needs /proc")
    source = open_bytes(encode("libsvtav1"))
    before = handles()
    source.read([0, 39])
    assert handles() == before
    with pytest.raises(MalformedClip, match="damaged"):
        open_bytes(patched(mp4, len(mp4) // 2, bytes(500))).read(range(40))
    assert handles() == before


def test_metadata_need_not_be_utf8(mp4):
    source = open_bytes(patched(mp4, mp4.index(b"VideoHandler"), b"Vid\xe9o"))
    assert numbers_of(source.read([4])) == [4]


def test_sound_is_ignored(mp4):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container, av.open(io.BytesIO(mp4)) as pictures:
        sound = container.add_stream("aac", rate=48000, layout="mono")
        video = container.add_stream_from_template(pictures.streams.video[0])
        for start in range(0, 48000, 1024):
            frame = av.AudioFrame.from_ndarray(
                np.zeros((1, 1024), np.float32), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts = 48000, start
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
        for packet in pictures.demux(video=0):
            if packet.size:
                packet.stream = video
                container.mux(packet)
    assert numbers_of(open_bytes(buffer.getvalue()).read([0, 30])) == [0, 30]


def test_limits_are_met_exactly(mp4):
    exact = Limits(max_bytes=len(mp4), max_pixels=176 * 96, max_frames=40, max_seconds=1.6)
    source = open_bytes(mp4, exact)
    assert numbers_of(source.read(range(40))) == list(range(40))
