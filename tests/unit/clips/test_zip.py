import hashlib
import struct
import zipfile

import numpy as np
import pytest
from tests.unit.clips.makers import named, npz, numbers_of, paint, patched, picture, zipped

from videovisual.clips import Limits, open_bytes
from videovisual.errors import MalformedClip, TooLarge


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


def test_zip_ignores_folders_and_hidden_files(pngs):
    clutter = [
        ("clip/", b""),
        ("__MACOSX/clip/._0.png", b"resource fork"),
        ("clip/.DS_Store", b"desktop"),
        (".hidden/0.png", b"nothing"),
    ]
    source = open_bytes(zipped(clutter + named(pngs, "clip/{}.png")))
    assert source.info.frame_count == 12


def test_zip_ignores_what_systems_leave_behind(pngs):
    clutter = [("clip/Thumbs.db", b"\xd0\xcf"), ("clip/desktop.ini", b"[.ShellClassInfo]")]
    assert open_bytes(zipped(clutter + named(pngs, "clip/{}.png"))).info.frame_count == 12


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("again", ["3.png", "./3.png", "03.png"])
def test_zip_with_a_frame_twice(pngs, again):
    with pytest.raises(MalformedClip, match=r"3\.png"):
        open_bytes(zipped([*named(pngs), (again, pngs[4])]))


def test_zip_of_two_sequences(pngs):
    flow = [(f"flow_{number}.png", data) for number, data in enumerate(pngs)]
    with pytest.raises(MalformedClip, match=r"11\.png \(12 files\), flow_0\.png"):
        open_bytes(zipped(named(pngs) + flow))


@pytest.mark.parametrize(
    "name", ["/0.png", "../0.png", "clip/../../0.png", "..\\0.png", "C:\\0.png", "\\\\host\\0.png"]
)
def test_zip_with_unsafe_names(pngs, name):
    with pytest.raises(MalformedClip, match="leads out"):
        open_bytes(zipped([*named(pngs), (name, pngs[0])]))


@pytest.mark.parametrize(
    "content", [b"notes", b"%PDF-1.7", b"", b"\x93NUMPY", zipped([("0.png", b"")]), b"GIF89a"]
)
def test_zip_with_another_file_names_the_file(pngs, content):
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


def test_zip_with_another_compression_method(pngs):
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


def test_zip_member_inflates_no_more_than_its_declared_size(pngs):
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


def test_zip_holding_an_npz_is_no_npz(frames):
    with pytest.raises(MalformedClip, match=r"clip\.npz"):
        open_bytes(zipped([("clip.npz", npz(frames=frames))]))


def test_picture_of_another_format_behind_a_known_name():
    with pytest.raises(MalformedClip, match=r"0\.png"):
        open_bytes(zipped([("0.png", picture(paint(1), "TIFF"))]))
