import io
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from tests.unit.clips.makers import (
    encode,
    encode_frames,
    mux,
    npz,
    numbers_of,
    packets_of,
    paint,
    patched,
    picture,
    position_of,
)

from videovisual.clips import Limits, Sampling, open_bytes, sample
from videovisual.errors import (
    ClipTooShort,
    InvalidRequest,
    MalformedClip,
    TooLarge,
    UnsupportedMedia,
)

DAMAGED_H265 = Path(__file__).with_name("damaged_h265.mp4")
"""24 frames with a few bytes changed, at which FFmpeg's frame threads wait for each other."""


@pytest.fixture(scope="module")
def index_first():
    """An mp4 that can be played while it loads: its index precedes the pictures."""
    return encode(count=40, muxer=(("movflags", "faststart"),), options=(("bf", "0"),))


@pytest.mark.parametrize(
    "data", [b"", bytearray(), memoryview(b"")], ids=["bytes", "array", "view"]
)
def test_empty(data):
    with pytest.raises(InvalidRequest, match="empty"):
        open_bytes(data)


NOT_CLIPS = {
    "text": b"hello, world\n" * 10,
    "pdf": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "random": np.random.default_rng(0).bytes(5000),
    "zeros": bytes(5000),
    "one byte": b"\x00",
    "html": b"<!doctype html><video src='file:///etc/passwd'>",
    "hls playlist": b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "concat list": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "dash manifest": b"<?xml version='1.0'?><MPD><BaseURL>http://localhost/</BaseURL></MPD>",
    "sdp": b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    "wave": b"RIFF\x24\x00\x00\x00WAVEfmt ",
    "mp3": b"ID3\x03\x00\x00\x00\x00\x00\x00" + bytes(100),
    "heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    "avif": b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif",
    "tiff": b"II*\x00\x08\x00\x00\x00",
    "npy": b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}",
    "svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "gzip": b"\x1f\x8b\x08\x00" + bytes(100),
}


@pytest.mark.parametrize("name", NOT_CLIPS)
def test_other_bytes_are_refused_with_the_accepted_formats(name):
    with pytest.raises(UnsupportedMedia, match=r"mp4.*webm.*zip.*npz"):
        open_bytes(NOT_CLIPS[name])


@pytest.mark.parametrize("name", ["hls playlist", "concat list", "sdp"])
@pytest.mark.parametrize(
    "front",
    [
        b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
        b"\x1aE\xdf\xa3",
        b"GIF89a",
        b"RIFF....AVI ",
    ],
    ids=["mp4", "mkv", "gif", "avi"],
)
def test_list_of_other_files_is_never_opened(front, name):
    with pytest.raises((MalformedClip, UnsupportedMedia, TooLarge)):
        open_bytes(front + NOT_CLIPS[name])


def sound_only(container, codec):
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=48000, layout="mono")
        form = stream.codec_context.format.name
        for start in range(0, 9600, 960):
            dtype = np.float32 if form.startswith("flt") else np.int16
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), dtype), form, "mono")
            frame.sample_rate, frame.pts = 48000, start
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "aac"), ("webm", "libopus"), ("avi", "pcm_s16le")]
)
def test_sound_without_pictures(container, codec):
    with pytest.raises(UnsupportedMedia, match="no video stream"):
        open_bytes(sound_only(container, codec))


def test_cover_of_a_song_is_no_video():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        sound = output.add_stream("aac", rate=48000, layout="mono")
        cover = output.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic.value
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 48000
        output.mux(sound.encode(frame))
        output.mux(cover.encode(av.VideoFrame.from_ndarray(paint(1, 64, 48))))
        output.mux(cover.encode())
        output.mux(sound.encode())
    with av.open(io.BytesIO(buffer.getvalue())) as container:
        assert container.streams.best("video").disposition & Disposition.attached_pic
    with pytest.raises(UnsupportedMedia, match="no video stream"):
        open_bytes(buffer.getvalue())


def test_other_codec_is_named():
    with pytest.raises(UnsupportedMedia, match=r"flv1.*H\.264"):
        open_bytes(encode("flv", "avi", count=3))


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"FLV\x01", "Flash"),
        (b"OggS", "Ogg"),
        (b".RMF", "RealMedia"),
        (b"\x06\x0e\x2b\x34", "MXF"),
        (b"\x00\x00\x01\xb3", "bare MPEG"),
        (b"\x00\x00\x00\x01\x67", "bare H.264"),
        (b"YUV4MPEG2 W64", "YUV4MPEG2"),
        (b"DKIF", "IVF"),
    ],
)
def test_other_videos_are_refused_by_name_with_a_way_out(head, name):
    with pytest.raises(UnsupportedMedia, match=rf"{name}.*ffmpeg -i IN OUT.mp4"):
        open_bytes(head + bytes(2000))


@pytest.mark.parametrize(
    ("codec", "container"),
    [
        ("mpeg2video", "mpegts"),
        ("libx264", "mpegts"),
        ("mpeg2video", "vob"),
        ("wmv2", "asf"),
        ("mpeg4", "3gp"),
    ],
)
def test_pixels_are_limited_in_every_container(codec, container):
    video = encode(codec, container, count=3, size=(176, 144))
    with pytest.raises(TooLarge, match="176×144"):
        open_bytes(video, Limits(max_pixels=8000))
    assert open_bytes(video).info.width == 176


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_single_picture_is_a_clip_too_short(kind):
    source = open_bytes(picture(paint(3), kind))
    assert (source.info.format, source.info.frame_count) == (kind.lower(), 1)
    with pytest.raises(ClipTooShort, match="1 frame "):
        sample(source, Sampling(8))


def test_video_of_one_frame_is_too_short():
    with pytest.raises(ClipTooShort, match="1 frame "):
        sample(open_bytes(encode(count=1)), Sampling(8))


def test_mp4_without_its_index(mp4):
    with pytest.raises(MalformedClip, match=r"moov.*cut short"):
        open_bytes(mp4[: mp4.index(b"moov") - 4])


def test_mp4_with_half_of_its_index(mp4):
    with pytest.raises(MalformedClip):
        open_bytes(mp4[: mp4.index(b"moov") + 300])


def test_cut_mp4_is_read_as_far_as_it_goes(index_first):
    source = open_bytes(index_first[: position_of(index_first, 25) + 10])
    assert (source.info.frame_count, source.info.duration_s) == (40, pytest.approx(1.6))
    (clip,) = sample(source, Sampling(8, end_s=0.9))
    assert numbers_of(clip.frames) == list(clip.indices)
    with pytest.raises(MalformedClip):
        sample(source, Sampling(8))
    with pytest.raises(MalformedClip, match=r"frame 30 of 40.*start_s and end_s"):
        source.read([3, 30, 31])


@pytest.mark.parametrize(("codec", "container"), [("libx264", "matroska"), ("mpeg4", "avi")])
def test_other_cut_videos_end_where_their_packets_do(codec, container):
    video = encode(codec, container, options=(("bf", "0"),))
    source = open_bytes(video[: position_of(video, 25)])
    assert source.info.frame_count == 25
    assert numbers_of(source.read([24, 0])) == [24, 0]


def test_damage_fails_only_reads_of_damaged_frames(mp4):
    source = open_bytes(patched(mp4, position_of(mp4, 14) + 4, bytes(20)))
    assert numbers_of(source.read([0, 11, 39])) == [0, 11, 39]
    with pytest.raises(MalformedClip, match="damaged"):
        source.read(range(40))


@pytest.mark.parametrize(("codec", "container"), [("libx264", "mp4"), ("mpeg4", "avi")])
def test_damage_that_the_decoder_conceals_is_refused(codec, container):
    """These decoders paint over it, and say so of the first such picture only."""
    video = encode(codec, container, count=36, options=(("bf", "0"),))
    packet = packets_of(video)[17]
    at = video.index(packet, position_of(video, 17)) + len(packet) // 2
    source = open_bytes(patched(video, at, b"\x55\xaa" * (len(packet) // 4)))
    assert numbers_of(source.read([0, 16, 24, 35])) == [0, 16, 24, 35]
    for index in (17, 20, 23):
        with pytest.raises(MalformedClip, match="damaged"):
            source.read([index])


@pytest.mark.parametrize("damage", ["no scan", "half a scan"])
def test_a_damaged_jpeg_is_refused(damage):
    """FFmpeg shows whatever lies in its memory, often an earlier picture, and says nothing."""
    packets = packets_of(encode("mjpeg", "avi", pixels="yuvj420p", count=16))
    scan = packets[7].index(b"\xff\xda")
    if damage == "no scan":
        packets[7] = patched(packets[7], scan, b"\xff\xdb")
    else:
        packets[7] = packets[7][: scan + 60]
    source = open_bytes(mux(packets, "mjpeg", "avi"))
    assert numbers_of(source.read([0, 6, 8, 15])) == [0, 6, 8, 15]
    for wanted in ([7], range(16)):
        with pytest.raises(MalformedClip, match="damaged"):
            source.read(wanted)


def test_other_frames_are_read_after_a_damaged_first_frame(mp4):
    source = open_bytes(patched(mp4, position_of(mp4, 0) + 4, bytes(900)))
    assert (source.info.width, source.info.height) == (176, 96)
    assert numbers_of(source.read([30])) == [30]
    with pytest.raises(MalformedClip, match="damaged"):
        source.read([0])


def test_damage_does_not_hang():
    code = (
        "from videovisual.clips import *; from videovisual.errors import *; import sys\n"
        "source = open_path(sys.argv[1])\n"
        "try: source.read(range(24))\n"
        "except MalformedClip: print('malformed')\n"
    )
    command = [sys.executable, "-c", code, DAMAGED_H265]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "malformed\n", done.stderr


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_frames_that_change_size(codec):
    small, large = (
        packets_of(encode(codec, "webm", count=6, size=size)) for size in ((176, 96), (320, 240))
    )
    video = mux(small + large, codec, "webm")
    assert numbers_of(open_bytes(video).read([0, 5, 6, 11])) == [0, 5, 0, 5]
    source = open_bytes(video, as_shown=False)
    assert source.read([0, 5]).shape == (2, 96, 176, 3)
    with pytest.raises(MalformedClip, match=r"Frame 8 is 320×240.*176×96"):
        source.read([2, 8])


def test_video_with_an_empty_container():
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="matroska") as output:
        stream = output.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        output.start_encoding()
    with pytest.raises(MalformedClip, match="cut or damaged"):
        open_bytes(buffer.getvalue())


@pytest.mark.parametrize(
    ("limits", "name"),
    [
        (Limits(max_bytes=1000), "max_bytes"),
        (Limits(max_pixels=176 * 96 - 1), "max_pixels"),
        (Limits(max_frames=39), "max_frames"),
        (Limits(max_seconds=1.5), "max_seconds"),
    ],
)
def test_errors_name_the_limit_and_what_is_allowed(mp4, limits, name):
    with pytest.raises(TooLarge) as raised:
        open_bytes(mp4, limits)
    assert raised.value.detail["limit"] == name
    assert raised.value.detail["allowed"] == getattr(limits, name)
    assert raised.value.detail["found"] > raised.value.detail["allowed"]


def test_limit_on_decoded_bytes_counts_every_frame_asked_for(mp4):
    source = open_bytes(mp4, Limits(max_decoded_bytes=4 * 176 * 96 * 3))
    assert len(source.read([1, 1, 1, 1])) == 4
    with pytest.raises(TooLarge, match="fewer frames"):
        source.read([1, 1, 1, 1, 1])
    with pytest.raises(TooLarge):
        sample(source, Sampling(3, views=2))


def test_long_pause_counts_as_seconds():
    video = encode(count=3, stamps=(0, 40, 1_000_000))
    with pytest.raises(TooLarge, match="at most 900"):
        open_bytes(video)


def test_npz_and_video_are_told_apart_by_content(frames):
    assert open_bytes(npz(frames=frames)).info.format == "npz"
    assert open_bytes(encode_frames([*frames], rate=10)).info.format == "mp4"


def test_a_decoder_with_threads_is_closed_while_it_holds_pictures(tmp_path):
    """Its threads once waited for the interpreter's lock, and the interpreter for them."""
    pytest.importorskip("imageio_ffmpeg")
    from tests.unit.clips.matrix import ffmpeg

    path = tmp_path / "clip.mkv"
    pictures = b"".join(paint(number, 192, 96).tobytes() for number in range(30))
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "192x96", "-r", 25, "-i", "-"]
    ffmpeg(*source, "-c:v", "libaom-av1", "-cpu-used", 8, path, stdin=pictures)
    code = (
        "import random, sys; from pathlib import Path\n"
        "from videovisual.clips import *; from videovisual.errors import *\n"
        "data, draw = Path(sys.argv[1]).read_bytes(), random.Random(0)\n"
        "for _ in range(300):\n"
        "    damaged = bytearray(data)\n"
        "    for _ in range(3): damaged[draw.randrange(60, len(data) // 2)] = draw.randrange(256)\n"
        "    try: open_bytes(damaged).read([0])\n"
        "    except VideoVisualError: pass\n"
        "print('done')\n"
    )
    command = [sys.executable, "-c", code, path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "done\n", done.stderr
