"""Lists of clips and labels, as UCF101, mmaction and Kinetics write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from videovisual_client.collection import Collection, NamedClip, clips_in
from videovisual_client.errors import InvalidRequest
from videovisual_client.labels import class_of, named

CLASSES = ["ApplyEyeMakeup", "ApplyLipstick", "Archery"]
PATHS = (
    "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi",
    "ApplyLipstick/v_ApplyLipstick_g08_c01.avi",
    "Archery/v_Archery_g08_c01.avi",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in PATHS:
        (tmp_path / "data" / path).parent.mkdir(parents=True)
        (tmp_path / "data" / path).write_bytes(b"")
    return tmp_path / "data"


def listed(root: Path, text: str, name: str = "list.txt") -> Collection:
    (root.parent / name).write_text(text, "utf-8")
    collection = clips_in(root, root.parent / name)
    assert collection is not None
    return collection


def labels(collection: Collection, classes: list[str] | None = None) -> list[str | None]:
    clips, _ = named(collection.clips, classes)
    return [clip.label for clip in clips]


def numbered(first: int, middle: str = "") -> str:
    return "".join(f"{path}{middle} {at}\n" for at, path in enumerate(PATHS, start=first))


LISTS = {
    "numbers from 0": numbered(0),
    "numbers from 1": numbered(1),
    "frames and numbers": numbered(0, " 117"),
    "Windows' line ends": "\ufeff" + numbered(0).replace("\n", "\r\n"),
    "names": "".join(f"{path} {name}\n" for path, name in zip(PATHS, CLASSES, strict=True)),
    "frames and names": "".join(f"{p} 64 {n}\n" for p, n in zip(PATHS, CLASSES, strict=True)),
    "paths of another machine": "".join(
        f"/home/me/UCF-101/{path} {at}\n" for at, path in enumerate(PATHS)
    ),
    "names without folder and suffix": "".join(
        f"{Path(path).stem} 117 {at}\n" for at, path in enumerate(PATHS)
    ),
    "another suffix": numbered(0).replace(".avi", ".mp4"),
    "commas": numbered(0).replace(" ", ","),
    "a header": "video_path,label\n" + "".join(f"{p},{p.split('/')[0]}\n" for p in PATHS),
    "paths alone": "\n".join(PATHS),
}


@pytest.mark.parametrize("kind", LISTS)
def test_labels_of_a_list(root: Path, kind: str) -> None:
    collection = listed(root, LISTS[kind])
    assert labels(collection, CLASSES) == CLASSES
    assert not collection.missing
    assert not collection.unlisted


def test_ucf101_with_its_class_index(root: Path) -> None:
    (root.parent / "classInd.txt").write_text("7 ApplyEyeMakeup\n8 ApplyLipstick\n9 Archery\n")
    assert labels(listed(root, numbered(7)), CLASSES) == CLASSES


def test_a_subset_of_numbers_counts_as_its_class_folders_say(root: Path) -> None:
    assert labels(listed(root, f"{PATHS[1]} 2\n"), CLASSES) == ["ApplyLipstick"]
    assert labels(listed(root, f"{PATHS[1]} 1\n"), CLASSES) == ["ApplyLipstick"]


def test_numbers_are_no_labels_while_the_classes_are_unknown(root: Path) -> None:
    clips, remark = named(listed(root, numbered(0)).clips, None)
    assert [clip.label for clip in clips] == [None] * 3
    assert remark is not None
    clips, remark = named([NamedClip(Path("a"), "a", None, 7)], CLASSES)
    assert clips[0].label == "7"
    assert remark == "the list's labels are numbers, and read as counting from 0"


def test_paths_and_names_with_spaces(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/my clip 1.mp4").write_bytes(b"")
    collection = listed(tmp_path / "data", "my clip 1.mp4 juggling balls\n")
    assert labels(collection) == ["juggling balls"]


def test_kinetics(tmp_path: Path) -> None:
    root = tmp_path / "val"
    names = (
        "-abc-DEF1_34_000001_000011",
        "juggling balls/zz_q-1_x-yz_000020_000030",
        "0123456789a",
    )
    for name in names:
        (root / name).parent.mkdir(exist_ok=True, parents=True)
        (root / f"{name}.mp4").write_bytes(b"")
    text = (
        "label,youtube_id,time_start,time_end,split\n"
        "ironing,-abc-DEF1_34,1,11,val\n"
        '"juggling balls",zz_q-1_x-yz,20,30,val\n'
        "abseiling,0123456789a,5,15,val\n"
        "abseiling,gone4567890,5,15,val\n"
    )
    collection = listed(root, text, "kinetics.csv")
    assert {clip.path.stem: clip.label for clip in collection.clips} == {
        "-abc-DEF1_34_000001_000011": "ironing",
        "0123456789a": "abseiling",
        "zz_q-1_x-yz_000020_000030": "juggling balls",
    }
    assert collection.missing == ["gone4567890"]


def test_what_the_list_lacks_and_the_folder_lacks_is_told(root: Path) -> None:
    collection = listed(root, f"{PATHS[0]} 0\nArchery/gone.avi 2\n")
    assert list(collection.remarks()) == [
        "in the list, but not in the folder: 1 (Archery/gone.avi)",
        f"in the folder, but not in the list: 2 ({PATHS[1]}, {PATHS[2]})",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gone.avi 1\n", "None of the 1 entries"),
        ("", "None of the 0 entries"),
        (f"{PATHS[0]} 0\n{PATHS[0]} 1\n", "two labels"),
        ("youtube_id,time_start,time_end,split\na,1,2,test\n", "none is called label"),
    ],
)
def test_lists_that_are_refused(root: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        listed(root, text)


def test_a_list_needs_a_folder(root: Path) -> None:
    with pytest.raises(InvalidRequest, match="single"):
        clips_in(root / PATHS[0], root / PATHS[0])


def test_a_label_names_one_class() -> None:
    assert class_of("apply-lipstick", ["apply lipstick", "archery"]) == "apply lipstick"
    assert class_of("a b", ["a-b", "a b"]) == "a b"
    assert class_of("A b", ["a-b", "a b"]) is None
    assert class_of("juggling", ["juggling balls"]) is None
