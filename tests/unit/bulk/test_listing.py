"""Which clips CLIPS names, at any address."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from videovisual_client.bulk import listing
from videovisual_client.bulk.listing import list_clips
from videovisual_client.errors import InvalidRequest

MEMORY = [
    ("memory:///clips/moves_left/broken.mp4", "moves_left"),
    ("memory:///clips/moves_left/c.npz", "moves_left"),
    ("memory:///clips/moves_up/a.npz", "moves_up"),
    ("memory:///clips/moves_up/b.npz", "moves_up"),
]


def rows(address: str | Path) -> list[tuple[str, str | None]]:
    table = list_clips(str(address)).clips
    assert table.schema == listing.SCHEMA
    return [(row["clip"], row["label"]) for row in table.to_pylist()]


def same(found: list[tuple[str, str | None]]) -> list[tuple[str, str | None]]:
    """Rows in order, with as many slashes as `MEMORY` has."""
    return sorted(
        (clip.replace("memory://clips", "memory:///clips"), label) for clip, label in found
    )


def test_a_folder_at_an_address(memory: fsspec.AbstractFileSystem) -> None:
    memory.pipe_file("/clips/notes.txt", b"x")
    memory.pipe_file("/clips/.hidden.mp4", b"x")
    assert same(rows("memory://clips")) == MEMORY
    (remark,) = list_clips("memory://clips").remarks
    assert remark == "left out, because they are no clips: 1 (notes.txt)"


def test_a_glob_at_an_address(memory: fsspec.AbstractFileSystem) -> None:
    assert same(rows("memory://clips/*/[a-c].npz")) == MEMORY[1:]


def test_a_folder_on_disk_is_as_in_the_folder_commands(clips: Path) -> None:
    (frames := clips / "moves left-2").mkdir()
    for index in range(2):
        Image.new("RGB", (8, 8)).save(frames / f"{index}.png")
    expected = [
        (str(frames), "moves left"),
        *((str(clips / f"moves up-{index}.npz"), "moves up") for index in range(2)),
    ]
    assert rows(clips) == expected
    assert rows(f"file://{clips}") == expected
    assert rows(clips / "*.npz") == expected[1:]


def test_a_manifest(clips: Path, memory: fsspec.AbstractFileSystem) -> None:
    (clips / "list.csv").write_text("label,path\n007,moves up-0.npz\n,/elsewhere/x.mp4\n")
    expected = [(str(clips / "moves up-0.npz"), "007"), ("/elsewhere/x.mp4", None)]
    assert rows(clips / "list.csv") == expected
    table = pa.table({"url": ["s3://bucket/a.mp4", "moves_up/a.npz"], "class": [3, None]})
    with memory.open("/clips/list.parquet", "wb") as file:
        parquet.write_table(table, file)
    assert same(rows("memory://clips/list.parquet")) == [
        ("memory:///clips/moves_up/a.npz", None),
        ("s3://bucket/a.mp4", "3"),
    ]


def test_rows_become_columns_piece_by_piece(
    memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PIECE", 3)
    assert same(rows("memory://clips")) == MEMORY


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("memory://nothing", "names no clip"),
        ("memory://clips/*.avi", "names no clip"),
        ("nosuch://clips", "can't be opened"),
        ("/no/such/folder", "names no clip"),
        ("/no/such/list.csv", "there is no such file"),
    ],
)
def test_what_names_no_clip_is_refused(
    memory: fsspec.AbstractFileSystem, address: str, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        list_clips(address)


@pytest.mark.parametrize("text", ["a,b\n1,2\n", "clip,label\n,x\n", "clip\n", "", "clip\n1,2,3\n"])
def test_a_manifest_without_clips_is_refused(tmp_path: Path, text: str) -> None:
    (path := tmp_path / "list.csv").write_text(text)
    with pytest.raises(InvalidRequest):
        list_clips(str(path))


def test_a_folder_that_is_a_clip_is_refused(tmp_path: Path) -> None:
    for index in range(3):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{index}.png")
    with pytest.raises(InvalidRequest, match="is a clip itself"):
        list_clips(str(tmp_path))
