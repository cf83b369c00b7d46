"""Animated PNG and WebP: every frame, with its time."""

import io
import struct
import zlib

import av
import numpy as np
import pytest
from PIL import Image
from tests.unit.clips.makers import named, numbers_of, paint, patched, picture, zipped

from videovisual.clips import Limits, Sampling, open_bytes, sample
from videovisual.clips.alpha import over_black
from videovisual.errors import ClipTooShort, MalformedClip, TooLarge

KINDS = [
    ("PNG", {}),
    ("PNG", {"disposal": 1, "blend": 1}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"quality": 90}),
]


def animated(kind, numbers=range(12), duration=40, **options):
    """An animation of `paint`ed frames."""
    first, *others = [Image.fromarray(paint(number, 64, 48)) for number in numbers]
    options = {"save_all": True, "append_images": others, "duration": duration} | options
    return picture(first, kind, **options)


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_frames_and_times(kind, options):
    source = open_bytes(animated(kind, **options))
    info = source.info
    assert info.format == info.codec == {"PNG": "apng", "WEBP": "webp"}[kind]
    assert (info.width, info.height, info.frame_count) == (64, 48, 12)
    assert info.duration_s == pytest.approx(0.48)
    np.testing.assert_allclose(source.times, np.arange(12) * 0.04)
    assert numbers_of(source.read(range(12))) == list(range(12))
    assert numbers_of(source.read([11, 3, 3, 0])) == [11, 3, 3, 0]
    (clip,) = sample(source, Sampling(4, start_s=0.2, end_s=0.36))
    assert clip.indices == (5, 6, 7, 8)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_each_frame_has_its_own_time(kind):
    source = open_bytes(animated(kind, range(4), [100, 300, 0, 50]))
    np.testing.assert_allclose(source.times, [0, 0.1, 0.4, 0.5])
    assert source.info.duration_s == pytest.approx(0.55)


@pytest.mark.parametrize(("kind", "options"), [KINDS[0], KINDS[2]])
def test_a_part_that_changes_is_composed_over_the_rest(kind, options):
    ground = np.full((48, 64, 4), (0, 200, 0, 255), np.uint8)
    moving = [ground.copy() for _ in range(3)]
    for at, frame in enumerate(moving):
        frame[10:20, 10 * at : 10 * at + 10] = (200, 0, 0, 255)
    first, *others = map(Image.fromarray, moving)
    data = picture(first, kind, save_all=True, append_images=others, duration=40, **options)
    np.testing.assert_array_equal(open_bytes(data).read(range(3)), np.stack(moving)[..., :3])


def as_ffmpeg(data):
    """All frames of an animated PNG, as FFmpeg composes them."""
    with av.open(io.BytesIO(data), format="apng") as container:
        return [over_black(frame.to_ndarray(format="rgba")) for frame in container.decode(video=0)]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
@pytest.mark.parametrize("blend", [0, 1])
@pytest.mark.parametrize("disposal", [0, 1, 2])
def test_every_disposal_and_blend_as_ffmpeg_composes(disposal, blend, mode):
    random = np.random.default_rng(0)
    frames = []
    for number in range(12):
        pixels = np.dstack([paint(number, 64, 48), np.full((48, 64), 255, np.uint8)])
        pixels[random.integers(40) :, random.integers(60) :, 3] = 255 * random.integers(2)
        frames.append(Image.fromarray(pixels).convert(mode))
    options = {"disposal": disposal, "blend": blend, "duration": 40}
    data = picture(frames[0], "PNG", save_all=True, append_images=frames[1:], **options)
    shown = open_bytes(data).read(range(12))
    np.testing.assert_array_equal(shown, np.stack(as_ffmpeg(data)))


def test_grey_of_16_bits():
    grey = [Image.fromarray(np.full((8, 8), level * 257, np.uint16)) for level in (255, 0, 100)]
    data = picture(grey[0], "PNG", save_all=True, append_images=grey[1:], duration=40)
    assert open_bytes(data).read(range(3))[:, 0, 0, 0].tolist() == [255, 0, 100]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_transparent_pixels_are_laid_over_black(kind):
    clear = np.full((8, 8, 4), (200, 200, 200, 0), np.uint8)
    half = np.full((8, 8, 4), (200, 200, 200, 128), np.uint8)
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {"blend": 0}
    frames = [Image.fromarray(clear), Image.fromarray(half)]
    data = picture(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert open_bytes(data).read([0, 1])[:, 0, 0].tolist() == [[0, 0, 0], [100, 100, 100]]


def test_a_still_before_the_animation_is_not_shown():
    data = animated("PNG", (99, 0, 1, 2), default_image=True)
    source = open_bytes(data)
    assert source.info.frame_count == 3
    assert numbers_of(source.read(range(3))) == [0, 1, 2]


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_still_is_one_frame(kind):
    with pytest.raises(ClipTooShort, match="1 frame "):
        sample(open_bytes(picture(paint(0), kind)), Sampling(4))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_limits_are_checked_by_the_headers(kind):
    data = animated(kind)
    with pytest.raises(TooLarge, match="12 or more frames"):
        open_bytes(data, Limits(max_frames=11))
    with pytest.raises(TooLarge, match=r"lasts 0\.48 s"):
        open_bytes(data, Limits(max_seconds=0.4))
    with pytest.raises(TooLarge, match="64×48"):
        open_bytes(data, Limits(max_pixels=64 * 48 - 1))


def test_enormous_animations_are_refused_before_they_are_opened():
    webp = patched(animated("WEBP"), 24, b"\xfe\x3f\x00" * 2)
    png = animated("PNG")
    header = b"IHDR" + struct.pack(">II", 60000, 60000) + png[24:29]
    png = patched(png, 12, header + struct.pack(">I", zlib.crc32(header)))
    for data in (webp, png):
        with pytest.raises(TooLarge, match="pixels"):
            open_bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_cut_animations(kind):
    data = animated(kind)
    for size in range(60, len(data), 97):
        with pytest.raises(MalformedClip):
            open_bytes(data[:size]).read(range(12))


def test_too_many_chunks():
    png = animated("PNG")
    empty = struct.pack(">I4sI", 0, b"tEXt", zlib.crc32(b"tEXt"))
    at = png.index(b"IEND") - 4
    with pytest.raises(MalformedClip, match="chunks"):
        open_bytes(png[:at] + empty * 200_000 + png[at:])


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_an_animation_among_frames_is_refused(pngs, kind):
    with pytest.raises(MalformedClip, match=r"3\.png is an animation of 12 frames"):
        open_bytes(zipped([*named(pngs[:3]), ("3.png", animated(kind))]))
