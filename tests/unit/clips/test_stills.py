import hashlib
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from PIL import Image
from tests.unit.clips.makers import (
    encode,
    enormous_png,
    npz,
    numbers_of,
    paint,
    patched,
    picture,
    zipped,
)

from videovisual.clips import Limits, Sampling, open_bytes, open_parts, open_path, sample
from videovisual.errors import (
    ClipTooShort,
    InvalidParameter,
    InvalidRequest,
    MalformedClip,
    TooLarge,
    UnsupportedMedia,
)
from videovisual.utils.extras import install_command


def named(pngs, pattern="{}.png"):
    return [(pattern.format(number), data) for number, data in enumerate(pngs)]


@pytest.fixture
def folder(tmp_path, pngs):
    for name, data in named(pngs, "frame{}.png"):
        (tmp_path / name).write_bytes(data)
    return tmp_path


def test_zip_in_natural_order(frames, pngs):
    members = named(pngs, "clip/frame{}.png")
    video = zipped(sorted(members))
    assert [name for name, _ in sorted(members)][1:3] == ["clip/frame1.png", "clip/frame10.png"]
    source = open_bytes(video)
    info = source.info
    assert (info.format, info.codec, info.duration_s, info.fps) == ("zip", None, None, None)
    assert (info.width, info.height, info.frame_count) == (64, 48, 12)
    assert info.sha256 == hashlib.sha256(video).hexdigest()
    assert source.times is None
    np.testing.assert_array_equal(source.read(range(12)), frames)
    np.testing.assert_array_equal(source.read([7, 0, 7]), frames[[7, 0, 7]])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP"])
def test_zip_of_each_format(frames, kind, method):
    pictures = [picture(frame, kind) for frame in frames]
    assert numbers_of(open_bytes(zipped(named(pictures), method)).read(range(12))) == list(
        range(12)
    )


def test_zip_leaves_out_what_is_no_frame(pngs):
    clutter = [
        ("clip/", b""),
        ("__MACOSX/clip/._0.png", b"resource fork"),
        ("clip/.DS_Store", b"desktop"),
        (".hidden/0.png", b"nothing"),
    ]
    source = open_bytes(zipped(clutter + named(pngs, "clip/{}.png")))
    assert source.info.frame_count == 12


@pytest.mark.parametrize(
    "name", ["/0.png", "../0.png", "clip/../../0.png", "..\\0.png", "C:\\0.png", "\\\\host\\0.png"]
)
def test_zip_that_leads_out_of_itself(pngs, name):
    with pytest.raises(MalformedClip, match="leads out"):
        open_bytes(zipped([*named(pngs), (name, pngs[0])]))


@pytest.mark.parametrize(
    "content", [b"notes", b"%PDF-1.7", b"", b"\x93NUMPY", zipped([("0.png", b"")]), b"GIF89a"]
)
def test_zip_with_something_else_names_it(pngs, content):
    with pytest.raises(MalformedClip, match=r"clip/x\.bin"):
        open_bytes(zipped([*named(pngs, "clip/{}.png"), ("clip/x.bin", content)]))


def test_zip_with_a_video_inside(mp4):
    with pytest.raises(MalformedClip, match=r"clip\.mp4"):
        open_bytes(zipped([("clip.mp4", mp4)]))


@pytest.mark.parametrize("members", [[], [("clip/", b"")], [("__MACOSX/._0.png", b"x")]])
def test_zip_without_frames(members):
    with pytest.raises(MalformedClip, match="no pictures"):
        open_bytes(zipped(members))


def test_zip_that_is_encrypted(pngs):
    video = bytearray(zipped(named(pngs)))
    for tag, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = video.index(tag) + offset
        video[at] |= 1
    with pytest.raises(MalformedClip, match="encrypted"):
        open_bytes(video)


def test_zip_with_an_odd_method(pngs):
    with pytest.raises(MalformedClip, match="not read"):
        open_bytes(zipped(named(pngs), zipfile.ZIP_LZMA))


def test_zip_that_is_cut(pngs):
    video = zipped(named(pngs))
    with pytest.raises(MalformedClip, match="cut or damaged"):
        open_bytes(video[: len(video) // 2])


def test_zip_with_a_damaged_member_fails_where_it_is_read():
    noise = np.random.default_rng(0).integers(0, 256, (3, 96, 128, 3), np.uint8)
    pictures = [picture(frame) for frame in noise]
    video = zipped(named(pictures))
    at = video.index(pictures[1]) + len(pictures[1]) // 2
    source = open_bytes(patched(video, at, b"\xff" * 8))
    np.testing.assert_array_equal(source.read([2, 0]), noise[[2, 0]])
    with pytest.raises(MalformedClip, match=r"1\.png"):
        source.read([1])


def test_zip_bomb_by_its_ratio(pngs):
    bomb = pngs[0] + bytes(5 << 20)
    with pytest.raises(TooLarge, match=r"bomb\.png.*inflates"):
        open_bytes(zipped([*named(pngs), ("bomb.png", bomb)], zipfile.ZIP_DEFLATED))


def test_zip_bomb_by_its_total(pngs):
    with pytest.raises(TooLarge, match="inflates to") as raised:
        open_bytes(zipped(named(pngs)), Limits(max_decoded_bytes=1000))
    assert raised.value.detail["found"] == sum(map(len, pngs))


def test_zip_that_lies_about_a_size_inflates_no_more_than_it_says(pngs):
    video = zipped([("0.png", pngs[0] + bytes(1 << 20))], zipfile.ZIP_DEFLATED)
    size = struct.pack("<I", len(pngs[0]))
    for tag, offset in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        video = patched(video, video.index(tag) + offset, size)
    with pytest.raises(MalformedClip, match="CRC"):
        open_bytes(video)


def test_zip_of_too_many_entries():
    video = zipped([(f"{number}.png", b"") for number in range(40)])
    with pytest.raises(TooLarge, match="40 or more frames"):
        open_bytes(video, Limits(max_frames=10))
    with pytest.raises(TooLarge, match="20 or more frames"):
        open_bytes(zipped([(f"{number}.png", b"") for number in range(20)]), Limits(max_frames=10))


def test_frames_of_different_sizes(pngs):
    with pytest.raises(MalformedClip, match=r"9\.png is 60×48.*0\.png is 64×48"):
        open_bytes(zipped([*named(pngs[:9]), ("9.png", picture(paint(0, 60, 48)))]))


def test_frame_over_the_limit_is_refused_by_its_header(pngs):
    with pytest.raises(TooLarge, match=r"0\.png is 64×48"):
        open_bytes(zipped(named(pngs)), Limits(max_pixels=64 * 48 - 1))


def test_clear_pixels_lie_over_black():
    rgba = np.full((4, 6, 4), 200, np.uint8)
    rgba[..., 3] = [0, 0, 51, 128, 255, 255]
    expected = [[0] * 3, [0] * 3, [40] * 3, [100] * 3, [200] * 3, [200] * 3]
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True, "exact": True})):
        shown = open_bytes(picture(rgba, kind, **options)).read([0])[0]
        np.testing.assert_array_equal(shown[0], expected)


def test_clear_colour_of_a_palette_is_black():
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


def test_png_that_says_it_is_enormous():
    with pytest.raises(TooLarge, match="pixels"):
        open_bytes(enormous_png())


def test_parts_in_order_of_their_numbers(frames, pngs):
    parts = {f"frame_{number:03}": data for number, data in enumerate(pngs)}
    shuffled = dict(sorted(parts.items(), key=lambda part: part[1]))
    source = open_parts(shuffled)
    assert source.info.format == "parts"
    assert source.info.sha256 == hashlib.sha256(b"".join(pngs)).hexdigest()
    np.testing.assert_array_equal(source.read(range(12)), frames)


def test_parts_may_begin_at_one_and_outgrow_their_zeros(pngs):
    parts = {f"frame_{number:01}": data for number, data in enumerate(pngs, start=1)}
    assert numbers_of(open_parts(parts).read(range(12))) == list(range(12))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no frames"),
        (["frame_000", "frame_002"], "frame_001 is missing"),
        (["frame_002", "frame_003"], "frame_001 is missing"),
        (["frame_000", "frame_001", "frame_1"], "same frame"),
        (["frame_000", "Frame_001"], "'Frame_001'"),
        (["frame_000", "frame_1.png"], "'frame_1.png'"),
        (["frame_000", "frame_-1"], "'frame_-1'"),
        (["frame_000", "frame_١"], "not a frame's name"),
        (["frame_000", "frame_" + "1" * 5000], "not a frame's name"),
    ],
)
def test_parts_with_wrong_names(pngs, names, message):
    with pytest.raises(InvalidRequest, match=message):
        open_parts(dict.fromkeys(names, pngs[0]))


def test_part_that_is_no_picture(pngs, mp4):
    with pytest.raises(MalformedClip, match="frame_001"):
        open_parts({"frame_000": pngs[0], "frame_001": mp4})


def test_parts_count_together(pngs):
    parts = {f"frame_{number}": data for number, data in enumerate(pngs)}
    total = sum(map(len, pngs))
    assert open_parts(parts, Limits(max_bytes=total)).info.frame_count == 12
    with pytest.raises(TooLarge, match="MiB"):
        open_parts(parts, Limits(max_bytes=total - 1))
    with pytest.raises(TooLarge, match="12 or more frames"):
        open_parts(parts, Limits(max_frames=11))


def test_folder_in_natural_order(folder, frames, pngs):
    (folder / ".thumbnails").write_bytes(b"x")
    (folder / "more").mkdir()
    source = open_path(folder)
    assert source.info.format == "folder"
    assert source.info.sha256 == hashlib.sha256(b"".join(pngs)).hexdigest()
    np.testing.assert_array_equal(source.read(range(12)), frames)


def test_folder_is_measured_before_it_is_read(folder):
    with (folder / "frame99.png").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TooLarge, match="MiB"):
        open_path(folder)


def test_folder_with_something_else_names_it(folder):
    (folder / "notes.txt").write_text("notes")
    with pytest.raises(MalformedClip, match=r"notes\.txt"):
        open_path(str(folder))


def test_file_is_told_by_its_content(tmp_path, mp4):
    path = tmp_path / "clip.txt"
    path.write_bytes(mp4)
    assert open_path(path).info.format == "mp4"
    (tmp_path / "clip.mp4").write_bytes(b"text")
    with pytest.raises(UnsupportedMedia):
        open_path(str(tmp_path / "clip.mp4"))


def test_file_is_measured_before_it_is_read(tmp_path):
    path = tmp_path / "clip.mp4"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TooLarge, match="MiB"):
        open_path(path)


def test_path_that_is_not_there(tmp_path):
    with pytest.raises(InvalidRequest, match="nowhere"):
        open_path(tmp_path / "nowhere.mp4")


def test_empty_folder(tmp_path):
    with pytest.raises(MalformedClip, match="no pictures"):
        open_path(tmp_path)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_any_kind(kind, pngs):
    assert open_bytes(kind(zipped(named(pngs)))).info.frame_count == 12


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


def test_zip_holding_an_npz_is_no_npz(frames):
    with pytest.raises(MalformedClip, match=r"clip\.npz"):
        open_bytes(zipped([("clip.npz", npz(frames=frames))]))


def test_picture_of_another_format_behind_a_known_name():
    with pytest.raises(MalformedClip, match=r"0\.png"):
        open_bytes(zipped([("0.png", picture(paint(1), "TIFF"))]))


def test_pictures_need_no_pyav_and_videos_say_so(tmp_path, pngs, mp4):
    (tmp_path / "frames.zip").write_bytes(zipped(named(pngs)))
    (tmp_path / "clip.mp4").write_bytes(mp4)
    code = (
        "import sys; sys.modules['av'] = None\n"
        "from videovisual.clips import open_path\n"
        "from videovisual.errors import MissingExtra\n"
        "print(open_path('frames.zip').read([3]).shape)\n"
        "try: open_path('clip.mp4')\n"
        "except MissingExtra as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"(1, 48, 64, 3)\nVideos need PyAV: {install_command('video')}.")
