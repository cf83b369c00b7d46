import io
import struct

import av
import numpy as np
import pytest
from PIL import Image
from tests.unit.clips.makers import GROUND, encode, encode_frames, numbers_of, paint, patched

from videovisual.clips import open_bytes
from videovisual.clips.decoding import Picture
from videovisual.clips.pixels import Converter


@pytest.mark.parametrize(
    ("codec", "container", "pixels"),
    [
        ("libvpx-vp9", "webm", "yuv420p"),
        ("mpeg4", "avi", "yuv420p"),
        ("libx264", "mp4", "yuv444p"),
        ("mjpeg", "avi", "yuvj420p"),
    ],
)
def test_odd_sizes(codec, container, pixels):
    source = open_bytes(encode(codec, container, count=5, size=(175, 99), pixels=pixels))
    assert (source.info.width, source.info.height) == (175, 99)
    frame = source.read([3])[0]
    assert numbers_of([frame]) == [3]
    np.testing.assert_allclose(frame[60:].reshape(-1, 3).mean(0), GROUND, atol=3)
    np.testing.assert_allclose(frame[60:, -1].mean(0), GROUND, atol=6)
    np.testing.assert_allclose(frame[-1].mean(0), GROUND, atol=6)


COLOUR = (200, 60, 30)
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}


def coded_colour(matrix, is_full):
    """Y'CbCr of `COLOUR` by the definition in ITU-T H.273."""
    kr, kb = WEIGHTS[matrix]
    red, green, blue = (value / 255 for value in COLOUR)
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = (blue - luma) / (2 * (1 - kb)), (red - luma) / (2 * (1 - kr))
    if is_full:
        return [255 * luma, *(255 * value + 128 for value in chroma)]
    return [16 + 219 * luma, *(224 * value + 128 for value in chroma)]


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("is_full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_colour_matrix_and_range_are_the_files(matrix, is_full, pixels):
    depth = 4 if pixels.endswith("10le") else 1
    kind = np.dtype("<u2") if depth > 1 else np.dtype("u1")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        context = stream.codec_context
        context.colorspace, context.color_range = matrix, 2 if is_full else 1
        frame = av.VideoFrame(64, 48, pixels)
        frame.colorspace, frame.color_range = matrix, 2 if is_full else 1
        for plane, value in zip(frame.planes, coded_colour(matrix, is_full), strict=True):
            size = plane.buffer_size // kind.itemsize
            plane.update(np.full(size, round(value * depth), kind).tobytes())
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    shown = open_bytes(buffer.getvalue()).read([0])[0]
    np.testing.assert_allclose(shown.reshape(-1, 3).mean(0), COLOUR, atol=2.5)


@pytest.mark.parametrize(
    ("codec", "container", "pixels"),
    [
        ("libx264", "mp4", "gray"),
        ("libx264", "mp4", "gray10le"),
        ("ffv1", "matroska", "gray"),
        ("rawvideo", "avi", "gray"),
    ],
)
def test_grey(codec, container, pixels):
    def full_range(stream):
        stream.codec_context.color_range = 2

    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    frame = np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (48, 64, 3)))
    video = encode_frames([frame] * 3, codec, container, pixels=pixels, prepare=full_range)
    shown = open_bytes(video).read([1])[0]
    assert (shown == shown[..., :1]).all()
    np.testing.assert_allclose(shown.mean((0, 2)), ramp, atol=4)


def see_through(colour=200):
    """A frame that is clear on its left, half clear in the middle, opaque on its right."""
    frame = np.full((48, 96, 4), colour, np.uint8)
    frame[:, :32, 3], frame[:, 32:64, 3], frame[:, 64:, 3] = 0, 128, 255
    return frame


@pytest.mark.parametrize("codec", ["libvpx-vp9", "libvpx"])
def test_alpha_of_webm_lies_over_black(codec):
    options = (("auto-alt-ref", "0"),)
    video = encode_frames([see_through()] * 5, codec, "webm", pixels="yuva420p", options=options)
    shown = open_bytes(video).read([0, 4])[:, 24, [10, 48, 90]]
    np.testing.assert_allclose(shown, [[[0] * 3, [100] * 3, [200] * 3]] * 2, atol=3)


def test_alpha_within_the_frame_lies_over_black():
    video = encode_frames([see_through()] * 2, "ffv1", "matroska", pixels="yuva420p")
    shown = open_bytes(video).read([1])[0, 24, [10, 48, 90]]
    np.testing.assert_allclose(shown, [[0] * 3, [100] * 3, [200] * 3], atol=2)


TURNS = {
    # a, b, c, d of the display matrix → what a player shows
    (1, 0, 0, 1): lambda frame: frame,
    (0, 1, -1, 0): lambda frame: np.rot90(frame, -1),
    (-1, 0, 0, -1): lambda frame: np.rot90(frame, 2),
    (0, -1, 1, 0): lambda frame: np.rot90(frame, 1),
    (-1, 0, 0, 1): np.fliplr,
    (1, 0, 0, -1): np.flipud,
    (0, 1, 1, 0): lambda frame: frame.swapaxes(0, 1),
    (0, -1, -1, 0): lambda frame: np.rot90(frame, 2).swapaxes(0, 1),
}


@pytest.mark.parametrize("matrix", TURNS)
def test_rotation(mp4, matrix):
    a, b, c, d = (value << 16 for value in matrix)
    numbers = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    source = open_bytes(patched(mp4, mp4.index(b"tkhd") + 44, numbers))
    expected = TURNS[matrix](open_bytes(mp4).read([5])[0])
    assert (source.info.height, source.info.width) == expected.shape[:2]
    np.testing.assert_array_equal(source.read([5])[0], expected)


def test_phone_held_upright():
    """FFmpeg's own writer agrees on which way is up."""
    if not hasattr(av.VideoStream, "set_display_rotation"):
        pytest.skip("needs PyAV 18 to write the rotation")
    video = encode_frames([paint(5)] * 2, prepare=lambda stream: stream.set_display_rotation(-90))
    shown = open_bytes(video).read([0])[0]
    assert shown.shape == (176, 96, 3)
    assert numbers_of([np.rot90(shown, 1)]) == [5]


def test_gif_frames_that_build_on_each_other():
    """Only the changed part of a GIF's frame is coded; disposal decides on the rest."""
    background = Image.new("P", (64, 48), 0)
    background.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255])
    pictures = []
    for number in range(3):
        layer = background.copy()
        layer.paste(number + 1, (number * 20, 0, number * 20 + 20, 48))
        pictures.append(layer)
    for disposal, first_stays in ((1, True), (2, False)):
        buffer = io.BytesIO()
        pictures[0].save(
            buffer,
            "GIF",
            save_all=True,
            append_images=pictures[1:],
            duration=100,
            transparency=0,
            disposal=disposal,
        )
        shown = open_bytes(buffer.getvalue()).read([1])[0]
        assert shown[20, 30].tolist() == [0, 255, 0]
        assert shown[20, 10].tolist() == ([255, 0, 0] if first_stays else [0, 0, 0])


@pytest.mark.parametrize("pixels", ["yuvj420p", "yuvj422p", "yuvj444p"])
def test_jpeg_formats_without_a_range_are_of_full_range(pixels):
    frame = av.VideoFrame(64, 48, pixels)
    for plane, value in zip(frame.planes, coded_colour(5, is_full=True), strict=True):
        plane.update(np.full(plane.buffer_size, round(value), np.uint8).tobytes())
    assert frame.color_range == 0
    shown = Converter(None).rgb(Picture(frame, None, 0, None))
    np.testing.assert_allclose(shown.reshape(-1, 3).mean(0), COLOUR, atol=2.5)
