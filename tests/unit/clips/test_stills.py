import numpy as np
import pytest
from PIL import Image
from tests.unit.clips.makers import encode, enormous_png, named, numbers_of, paint, picture, zipped

from videovisual.clips import Limits, Sampling, open_bytes, open_parts, sample
from videovisual.errors import ClipTooShort, InvalidParameter, MalformedClip, TooLarge


def test_frames_of_different_sizes(pngs):
    with pytest.raises(MalformedClip, match=r"9\.png is 60×48.*0\.png is 64×48"):
        open_bytes(zipped([*named(pngs[:9]), ("9.png", picture(paint(0, 60, 48)))]))


def test_frame_over_the_limit_is_refused_by_its_header(pngs):
    with pytest.raises(TooLarge, match=r"0\.png is 64×48"):
        open_bytes(zipped(named(pngs)), Limits(max_pixels=64 * 48 - 1))


def test_transparent_pixels_are_laid_over_black():
    rgba = np.full((4, 6, 4), 200, np.uint8)
    rgba[..., 3] = [0, 0, 51, 128, 255, 255]
    expected = [[0] * 3, [0] * 3, [40] * 3, [100] * 3, [200] * 3, [200] * 3]
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        shown = open_bytes(picture(rgba, kind, **options)).read([0])[0]
        np.testing.assert_array_equal(shown[0], expected)


def test_transparent_palette_colour_is_black():
    indexed = Image.fromarray(np.array([[0, 1, 2]], np.uint8))
    indexed = indexed.convert("P")
    indexed.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    shown = open_bytes(picture(indexed, "PNG", transparency=1)).read([0])[0]
    assert shown[0].tolist() == [[10, 20, 30], [0, 0, 0], [70, 80, 90]]


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (np.array([[0, 100, 255]], np.uint8), [0, 100, 255]),
        (np.array([[0, 25700, 65535]], np.uint16), [0, 100, 255]),
        (np.array([[False, True, True]]), [0, 255, 255]),
    ],
    ids=["8 bits", "16 bits", "1 bit"],
)
def test_grey_picture(pixels, expected):
    shown = open_bytes(picture(pixels)).read([0])[0]
    assert shown[0].tolist() == [[value] * 3 for value in expected]


def test_cmyk_picture(frames):
    shown = open_bytes(picture(Image.fromarray(frames[5]).convert("CMYK"), "JPEG")).read([0])
    assert numbers_of(shown) == [5]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_photograph(frames, orientation):
    upright = Image.fromarray(frames[5])
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = open_bytes(picture(stored, "JPEG", exif=exif))
    assert (source.info.width, source.info.height) == (64, 48)
    assert numbers_of(source.read([0])) == [5]


def test_damaged_picture():
    whole = picture(paint(3))
    source = open_bytes(whole[: len(whole) - 40])
    with pytest.raises(MalformedClip, match="damaged"):
        source.read([0])
    with pytest.raises(MalformedClip):
        open_bytes(whole[:20])


def test_a_message_about_what_is_no_picture_shows_no_python_object():
    with pytest.raises(MalformedClip, match=r"^0\.png is not a .*, or is damaged\.$"):
        open_bytes(zipped([("0.png", b"notes")]))


def test_png_that_declares_an_enormous_size():
    with pytest.raises(TooLarge, match="pixels"):
        open_bytes(enormous_png())


@pytest.mark.parametrize("indices", [[12], [-1], [0, 400]])
def test_index_that_is_not_there(pngs, indices):
    with pytest.raises(InvalidParameter, match="frames 0 to 11"):
        open_bytes(zipped(named(pngs))).read(indices)


def test_reading_nothing(pngs):
    assert open_bytes(zipped(named(pngs))).read([]).shape == (0, 48, 64, 3)
    assert open_bytes(encode()).read([]).shape == (0, 96, 176, 3)


def test_untimed_frames_are_sampled_by_number(pngs):
    (clip,) = sample(open_bytes(zipped(named(pngs))), Sampling(4, fps=8.0))
    assert clip.indices == (1, 4, 7, 10)
    assert clip.timestamps is None
    with pytest.raises(ClipTooShort, match="12 frames"):
        sample(open_bytes(zipped(named(pngs))), Sampling(4, min_frames=13))


def test_the_same_damage_has_the_same_message(pngs):
    damaged = pngs[1][:8] + bytes(40)
    messages = set()
    for _ in range(2):
        with pytest.raises(MalformedClip) as caught:
            open_parts({"frame_000": pngs[0], "frame_001": damaged})
        messages.add(caught.value.message)
    (message,) = messages
    assert "frame_001 is not a PNG" in message
    assert "0x" not in message


def test_a_read_can_be_ended_before_any_frame(pngs):
    source = open_bytes(zipped(named(pngs)))
    read = []

    def end_at_the_third() -> None:
        read.append(None)
        if len(read) == 3:
            raise TimeoutError

    source.before_frame = end_at_the_third
    with pytest.raises(TimeoutError):
        source.read(range(8))
    assert len(read) == 3
