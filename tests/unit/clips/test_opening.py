import hashlib
import subprocess
import sys

import numpy as np
import pytest
from tests.unit.clips.makers import named, numbers_of, zipped

from videovisual.clips import Limits, open_bytes, open_parts, open_path
from videovisual.errors import InvalidRequest, MalformedClip, TooLarge, UnsupportedMedia
from videovisual.utils.extras import install_command


@pytest.fixture
def folder(tmp_path, pngs):
    for name, data in named(pngs, "frame{}.png"):
        (tmp_path / name).write_bytes(data)
    return tmp_path


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


def test_folder_with_another_file_names_the_file(folder):
    (folder / "notes.txt").write_text("notes")
    with pytest.raises(MalformedClip, match=r"notes\.txt"):
        open_path(str(folder))


def test_file_format_is_detected_by_content(tmp_path, mp4):
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


def test_pictures_need_no_pyav_and_videos_name_the_extra(tmp_path, pngs, mp4):
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
