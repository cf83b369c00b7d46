"""The frames of a folder: nothing is dropped in silence."""

import os
from pathlib import Path

import pytest

from videovisual.errors import InvalidRequest, MalformedClip
from videovisual.utils.folder import frame_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(12):
        (folder / f"{number}.png").write_bytes(b"")
    return folder


def test_what_systems_leave_behind_is_no_frame(folder: Path) -> None:
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/._1.png", "@eaDir/1.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    assert [file.name for file in frame_files(folder)] == [f"{number}.png" for number in range(12)]


def test_links_to_nothing_are_named(folder: Path) -> None:
    for number in (3, 7):
        (folder / f"{number}.png").unlink()
        (folder / f"{number}.png").symlink_to("gone.png")
    with pytest.raises(MalformedClip, match=r"2 of the 12 .* [37]\.png, [37]\.png"):
        frame_files(folder)


def test_a_pipe_among_the_frames_is_named(folder: Path) -> None:
    os.mkfifo(folder / "12.png")
    with pytest.raises(MalformedClip, match=r"1 of the 13 .* 12\.png"):
        frame_files(folder)


def test_frames_in_one_subfolder_are_the_clip(folder: Path) -> None:
    assert frame_files(folder.parent) == frame_files(folder)


def test_a_link_that_leads_back_is_told(folder: Path) -> None:
    (folder / "again").symlink_to(folder, target_is_directory=True)
    with pytest.raises(InvalidRequest, match="deep"):
        frame_files(folder)
