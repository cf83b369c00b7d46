"""Frames are cropped, stretched, turned and mapped as a player shows them."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from tests.unit.clips.crops import with_clap, with_pixel_crop
from tests.unit.clips.makers import encode, encode_frames, paint

from videovisual.clips import Limits, open_bytes
from videovisual.errors import MalformedClip, TooLarge

WIDTH, HEIGHT = 96, 64
BORDER, INSIDE = (255, 0, 0), (0, 90, 200)
CROP = (16, 8, 4, 12)


def bordered():
    left, top, right, bottom = CROP
    frame = np.full((HEIGHT, WIDTH, 3), BORDER, np.uint8)
    frame[top : HEIGHT - bottom, left : WIDTH - right] = INSIDE
    return [frame] * 6


class Pipe(io.RawIOBase):
    """A file that can't be sought in, so that Matroska is written without an index."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.data += data
        return len(data)


def piped(video):
    pipe = Pipe()
    options = {"write_crc32": "0"}
    with (
        av.open(io.BytesIO(video)) as source,
        av.open(pipe, "w", format="matroska", options=options) as target,
    ):
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    return bytes(pipe.data)


@pytest.mark.parametrize("container", ["matroska", "mp4", "mov"])
def test_the_container_s_crop(container):
    video = encode_frames(bordered(), container="mp4" if container == "matroska" else container)
    cropped = (
        with_pixel_crop(piped(video), CROP) if container == "matroska" else with_clap(video, CROP)
    )
    source = open_bytes(cropped)
    frame = source.read([3])[0]
    assert (source.info.width, source.info.height) == (76, 44)
    assert frame.shape == (44, 76, 3)
    assert np.abs(frame.astype(int) - INSIDE).max() < 40
    assert source.info.shown == {"crop": {"left": 16, "top": 8, "right": 4, "bottom": 12}}
    stored = open_bytes(cropped, as_shown=False)
    assert stored.read([3]).shape == (1, HEIGHT, WIDTH, 3)
    assert stored.info.shown == {"as_shown": False}


@pytest.mark.parametrize("crop", [(50, 0, 50, 0), (0, 64, 0, 0), (0, 40, 0, 30)])
def test_a_crop_that_leaves_nothing_is_no_crop(crop):
    source = open_bytes(with_clap(encode_frames(bordered()), crop))
    assert (source.info.width, source.info.height, source.info.shown) == (WIDTH, HEIGHT, {})


def with_aspect(aspect, container="mp4", turned=None):
    def prepare(stream):
        stream.codec_context.sample_aspect_ratio = aspect
        if turned is not None:
            stream.set_display_rotation(turned)

    frames = [paint(number, WIDTH, HEIGHT) for number in range(6)]
    return encode_frames(frames, container=container, prepare=prepare)


@pytest.mark.parametrize("container", ["mp4", "matroska", "mpegts", "avi"])
@pytest.mark.parametrize(
    ("aspect", "width"), [(Fraction(4, 3), 128), (Fraction(8, 9), 85), (Fraction(1, 2), 48)]
)
def test_pixels_are_made_square(container, aspect, width):
    video = with_aspect(aspect, container)
    source = open_bytes(video)
    assert (source.info.width, source.info.height) == (width, HEIGHT)
    assert source.info.shown == {"sample_aspect": f"{aspect.numerator}:{aspect.denominator}"}
    stretched, stored = source.read([5])[0], open_bytes(video, as_shown=False).read([5])[0]
    assert stored.shape == (HEIGHT, WIDTH, 3)
    columns = ((np.arange(width) + 0.5) * WIDTH / width).astype(int)
    assert np.abs(stretched.astype(int) - stored[:, columns]).mean() < 8


def test_a_turned_video_is_stretched_along_its_shown_width():
    source = open_bytes(with_aspect(Fraction(4, 3), turned=90))
    assert (source.info.width, source.info.height) == (HEIGHT * 3 // 4, WIDTH)
    assert source.info.shown == {"sample_aspect": "4:3", "rotation": 270}


@pytest.mark.parametrize("aspect", [Fraction(17), Fraction(1, 17), Fraction(50)])
def test_an_absurd_aspect_is_refused(aspect):
    with pytest.raises(MalformedClip, match=r"1:16 to 16:1.*as_shown=false"):
        open_bytes(with_aspect(aspect, "matroska"))
    source = open_bytes(with_aspect(aspect, "matroska"), as_shown=False)
    assert source.read([0]).shape == (1, HEIGHT, WIDTH, 3)


@pytest.mark.parametrize("aspect", [Fraction(1000), Fraction(1, 1000)])
def test_an_aspect_that_leaves_no_pixel_is_none(aspect):
    assert open_bytes(with_aspect(aspect, "matroska")).info.width == WIDTH


def test_stretched_pixels_count_for_the_limit():
    limits = Limits(max_pixels=WIDTH * HEIGHT)
    with pytest.raises(TooLarge, match="as_shown"):
        open_bytes(with_aspect(Fraction(4, 3)), limits)
    assert open_bytes(with_aspect(Fraction(3, 4)), limits).info.width == 72


def hdr(transfer):
    """Grey steps up to reference white, 203 cd/m², and one highlight of 1000 cd/m²."""
    nits = np.array([0, 5, 20, 50, 100, 150, 203, 1000])
    levels = pq(nits / 10000) if transfer == 16 else hlg(nits / 1000)
    luma = np.repeat((64 + 876 * levels).round().astype(np.uint16), 12)
    frames = []
    for _ in range(4):
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p10le")
        for plane, row in zip(
            frame.planes, (luma, *(np.full(WIDTH // 2, 512, np.uint16),) * 2), strict=True
        ):
            rows = np.zeros((plane.height, plane.line_size // 2), np.uint16)
            rows[:, : len(row)] = row
            plane.update(rows.tobytes())
        frames.append(frame)
    return nits, frames


def pq(light):
    """SMPTE ST 2084."""
    power = light ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def hlg(light):
    """ITU-R BT.2100, of grey on a display of 1000 cd/m²."""
    scene = light ** (1 / 1.2)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


@pytest.mark.parametrize("transfer", [16, 18], ids=["pq", "hlg"])
def test_high_dynamic_range_is_mapped_to_standard(transfer):
    nits, frames = hdr(transfer)
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as output:
        stream = output.add_stream("libx265", rate=25, options={"x265-params": "log-level=none"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p10le"
        context = stream.codec_context
        context.color_primaries, context.color_trc = 9, transfer
        context.colorspace, context.color_range = 9, 1
        for number, frame in enumerate(frames):
            frame.pts = number
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    source = open_bytes(buffer.getvalue())
    assert source.info.shown == {"transfer": "pq" if transfer == 16 else "hlg"}
    frame = source.read([2])[0]
    np.testing.assert_array_equal(open_bytes(buffer.getvalue()).read([2])[0], frame)
    steps = frame[HEIGHT // 2, 6::12].astype(int)
    # The inverse of the display's function, BT.1886, with reference white as white.
    expected = 255 * (np.minimum(nits / 203, 1) ** (1 / 2.4))
    assert np.abs(steps - expected[:, None]).max() < 12
    stored = open_bytes(buffer.getvalue(), as_shown=False).read([2])[0]
    assert stored[HEIGHT // 2, 6 + 6 * 12].max() < 200


def test_what_needs_nothing_says_nothing(mp4):
    source = open_bytes(mp4)
    assert source.info.shown == {}
    assert "shown" not in source.info.facts()
    np.testing.assert_array_equal(open_bytes(mp4, as_shown=False).read([7]), source.read([7]))


def test_a_turned_video_as_stored():
    frames = [paint(number, WIDTH, HEIGHT) for number in range(6)]
    video = encode_frames(frames, prepare=lambda stream: stream.set_display_rotation(90))
    shown, stored = open_bytes(video), open_bytes(video, as_shown=False)
    assert shown.info.shown == {"rotation": 270}
    assert shown.read([3]).shape == (1, WIDTH, HEIGHT, 3)
    np.testing.assert_array_equal(np.rot90(stored.read([3])[0]), shown.read([3])[0])


def test_other_containers_of_the_same_streams():
    assert open_bytes(encode("mpeg2video", "mpegts", count=6)).info.format == "mpegts"
    assert open_bytes(encode("mpeg2video", "vob", count=6)).info.format == "mpeg"
    assert open_bytes(encode("wmv2", "asf", count=6)).info.format == "wmv"
    assert open_bytes(encode("mpeg4", "3gp", count=6)).info.format == "mp4"
