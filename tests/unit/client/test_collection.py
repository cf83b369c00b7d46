"""Which clips a folder has, how they are called and labelled, and what is left out."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from videovisual.utils.suffixes import CLIP_SUFFIXES
from videovisual_client.collection import Collection, clips_in
from videovisual_client.errors import InvalidRequest


def files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


def found(root: Path, *names: str) -> Collection:
    collection = clips_in(files(root, *names))
    assert collection is not None
    return collection


def labels(collection: Collection) -> dict[str, str | None]:
    return {clip.name: clip.label for clip in collection.clips}


def test_files_and_folders_of_frames_with_their_labels_in_the_names(tmp_path: Path) -> None:
    collection = found(tmp_path, "ironing-1.mp4", "ironing-2/0.png", "ironing-2/1.png", "x.mkv")
    assert labels(collection) == {"ironing-1": "ironing", "ironing-2": "ironing", "x": None}
    assert list(collection.remarks()) == []


@pytest.mark.parametrize("change", [str.lower, str.upper])
def test_every_suffix_in_any_case(tmp_path: Path, change: type) -> None:
    names = [f"{number}{change(suffix)}" for number, suffix in enumerate(CLIP_SUFFIXES)]
    assert len(found(tmp_path, *names).clips) == len(CLIP_SUFFIXES)
    assert {".qt", ".3gp", ".f4v", ".mts", ".m2ts", ".wmv", ".flv"} < set(CLIP_SUFFIXES)


def test_class_folders(tmp_path: Path) -> None:
    names = ("ironing/a.mp4", "ironing/b-1.avi", "abseiling/c/0.jpg", "abseiling/c/1.jpg")
    assert labels(found(tmp_path, *names)) == {
        "abseiling/c": "abseiling",
        "ironing/a": "ironing",
        "ironing/b-1": "ironing",
    }


def test_names_of_kinetics_have_no_label(tmp_path: Path) -> None:
    names = ("abc-DEF12_34_000001_000011.mp4", "zz_q-1_x-y_000001_000011.mkv")
    assert set(labels(found(tmp_path, *names)).values()) == {None}


def test_what_is_left_out_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone.mp4").symlink_to("nowhere")
    names = ("a.mp4", "notes.txt", "cover.jpg", "x/y/z/1.mp4", "docs/readme.md", "k/b.mp4", "k/c.t")
    collection = found(tmp_path, *names, ".DS_Store", "Thumbs.db")
    assert [clip.name for clip in collection.clips] == ["a", "k/b"]
    assert sorted(collection.left_out) == [
        *("cover.jpg", "docs/ (no clip in it)", "gone.mp4 (a link to nothing)", "k/c.t"),
        *("notes.txt", "x/y/ (deeper folders)"),
    ]
    assert next(collection.remarks()).startswith("left out, because they are no clips: 6 (")


@pytest.mark.parametrize("beside", ["thumbs/0.png", "all.gif", "clip.mp4"])
def test_clips_beside_frames_are_refused(tmp_path: Path, beside: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"2 pictures and, beside them, {beside[:5]}"):
        clips_in(files(tmp_path, "0.png", "1.png", beside))


def test_a_single_clip_is_no_folder_of_clips(tmp_path: Path) -> None:
    assert clips_in(files(tmp_path / "frames", "0.png", "1.png")) is None
    (tmp_path / "frames/empty").mkdir()
    assert clips_in(tmp_path / "frames") is None
    assert clips_in(files(tmp_path, "clip.mp4") / "clip.mp4") is None
    assert clips_in(b"clip") is None


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_animated_pictures_are_clips(tmp_path: Path, suffix: str) -> None:
    images = [Image.new("RGB", (8, 8), (level, 0, 0)) for level in (0, 200)]
    for name in "ab":
        path = tmp_path / f"{name}.{suffix}"
        images[0].save(path, save_all=True, append_images=images[1:], duration=100)
    assert labels(found(tmp_path)) == {"a": None, "b": None}


def test_no_two_clips_share_a_name(tmp_path: Path) -> None:
    names = ("x.mp4", "x.avi", "X.mkv", "x.avi.gif", "summary.mp4", "index/0.png", "index/1.png")
    collection = found(tmp_path, *names)
    shown = [clip.name.casefold() for clip in collection.clips]
    assert len({*shown, "summary", "index"}) == len(names) - 1 + 2
    assert {"x.mp4", "x.avi", "summary.mp4", "index_"} <= set(shown)


def test_names_fit_a_file_system_and_are_utf_8(tmp_path: Path) -> None:
    names = ("x" * 250 + ".mp4", "x" * 249 + "y.mp4", "bad\udcff-1.mp4", "é" * 120 + ".avi")
    collection = found(tmp_path, *names)
    assert labels(collection)["bad\\xff-1"] == "bad\\xff"
    assert len({clip.name for clip in collection.clips}) == len(names)
    assert all(len(clip.name.encode()) < 200 for clip in collection.clips)
