"""What a process of a bulk run does with clips, without Ray."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pytest
from benchmarks.load.material import motion_clip
from click.testing import CliRunner
from pyarrow import parquet

from videovisual_client import content_key as module
from videovisual_client.bulk import table
from videovisual_client.bulk.address import Output, read_clip
from videovisual_client.bulk.listing import list_clips
from videovisual_client.bulk.table import ANSWERS, FAILED, ROWS, Parts
from videovisual_client.bulk.worker import Worker
from videovisual_client.cli import main
from videovisual_client.errors import TooLarge, WriteError

RequestTo = Callable[..., Any]
OUT = "memory://results"


def answer(request: Any, clips: str | Path) -> dict[str, dict[str, Any]]:
    """The rows of all clips, by the clips' names."""
    tables = list(Worker(request)(list_clips(str(clips)).clips))
    return {Path(row["clip"]).name: row for row in pa.concat_tables(tables).to_pylist()}


def files(system: fsspec.AbstractFileSystem) -> list[str]:
    return [path for path in system.find("/results") if "run.json" not in path]


def test_a_clip_is_answered_once_until_it_is_replaced(
    memory: fsspec.AbstractFileSystem, request_to: RequestTo
) -> None:
    first = answer(request_to(OUT, "gradient"), "memory://clips")
    assert {name: row["computed"] for name, row in first.items()} == {
        "a.npz": True,
        "b.npz": True,
        "c.npz": True,
        "broken.mp4": None,
    }
    assert first["broken.mp4"]["code"] == "unsupported_media"
    assert not first["broken.mp4"]["fatal"]
    assert len(files(memory)) == 6
    row = first["a.npz"]
    assert (row["label"], row["model"], row["predicted"]) == (
        "moves_up",
        "tsm-motion",
        "moves left",
    )
    assert row["correct"] is False
    assert row["map"] == f"clips/{row['key']}.npz"
    (explained,) = row["explanations"]
    assert explained["method"] == "gradient"
    assert explained["summary"].startswith("tsm-motion says moves left")
    assert json.loads(explained["provenance"])["seed"] == 0

    again = answer(request_to(OUT, "gradient", options={"seed": "0"}), "memory://clips")
    assert not any(row["computed"] for row in again.values())
    assert again["a.npz"] | {"computed": True} == row

    memory.pipe_file("/clips/moves_up/a.npz", motion_clip(7))
    replaced = answer(request_to(OUT, "gradient"), "memory://clips")
    assert [name for name, each in replaced.items() if each["computed"]] == ["a.npz"]
    assert replaced["a.npz"]["key"] != row["key"]


@pytest.mark.parametrize("change", ["map", "record", "options", "fresh"])
def test_what_is_missing_or_other_is_computed(
    memory: fsspec.AbstractFileSystem, request_to: RequestTo, change: str
) -> None:
    clip = "memory://clips/moves_up/a.npz"
    row = answer(request_to(OUT, "gradient"), clip)["a.npz"]
    if change in {"map", "record"}:
        kind = {"map": "npz", "record": "json"}[change]
        memory.rm_file(f"/results/clips/{row['key']}.{kind}")
    options = {"seed": 1} if change == "options" else {}
    request = request_to(OUT, "gradient", options=options, fresh=change == "fresh")
    again = answer(request, clip)["a.npz"]
    assert again["computed"]
    assert (again["key"] == row["key"]) == (change != "options")


def test_answers_equal_those_of_the_folder_command(
    clips: Path, request_to: RequestTo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["explain", str(clips), "--model", "tsm-motion", "--method", "grad_cam", "--local"]
    done = CliRunner().invoke(main, [*command, "--device", "cpu", "--concurrency", "1"])
    assert done.exit_code == 0, done.output
    results = Path("results/grad_cam/tsm-motion")
    rows = answer(request_to(str(tmp_path / "out"), "grad_cam"), clips)
    for name, row in rows.items():
        theirs, ours = results / name, tmp_path / "out" / row["map"]
        assert theirs.with_suffix(".npz").read_bytes() == ours.read_bytes()
        record = json.loads(theirs.with_suffix(".json").read_text())
        mine = json.loads(ours.with_suffix(".json").read_text())
        assert (record["key"], record["answer"]) == (mine["key"], mine["answer"])


def test_clips_are_only_classified_without_a_method(
    clips: Path, request_to: RequestTo, tmp_path: Path
) -> None:
    rows = answer(request_to(str(tmp_path / "out"), options={"top_k": 3}), clips)
    assert [len(row["top"]) for row in rows.values()] == [3, 3]
    assert {(row["map"], *row["explanations"]) for row in rows.values()} == {(None,)}
    assert not list(tmp_path.rglob("out/*/*.npz"))


def test_clips_with_the_same_content_share_their_files(
    clips: Path, request_to: RequestTo, tmp_path: Path
) -> None:
    data = (clips / "moves up-0.npz").read_bytes()
    (clips / "moves up-1.npz").write_bytes(data)
    rows = answer(request_to(str(tmp_path / "out"), "gradient"), clips)
    assert len(rows) == 2
    assert len({row["key"] for row in rows.values()}) == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"model": "no-such-model"}, "unknown_model"),
        ({"device": "tpu"}, "invalid_parameter"),
        ({"options": {"top_k": 0}}, "invalid_parameter"),
    ],
)
def test_what_all_clips_would_meet_is_told_once(
    clips: Path, request_to: RequestTo, tmp_path: Path, fields: dict[str, Any], code: str
) -> None:
    request = request_to(str(tmp_path / "out"), "gradient", **fields)
    (table,) = Worker(request)(list_clips(str(clips)).clips)
    (row,) = table.to_pylist()
    assert (row["fatal"], row["code"]) == (True, code)


def test_an_output_that_is_not_shared_is_refused(
    clips: Path, request_to: RequestTo, tmp_path: Path
) -> None:
    request = request_to(str(tmp_path / "out"), "gradient")
    (tmp_path / "out/run.json").unlink()
    (table,) = Worker(request)(list_clips(str(clips)).clips)
    assert "is not the folder that the command sees" in table.to_pylist()[0]["reason"]


def test_a_clip_is_not_read_beyond_the_limit(clips: Path) -> None:
    (large := clips / "large.mp4").touch()
    os.truncate(large, 65 * 2**20)
    with pytest.raises(TooLarge):
        read_clip(str(large))


def test_a_file_that_can_not_be_written_leaves_nothing(tmp_path: Path) -> None:
    output = Output(str(tmp_path))
    output.write("a/b.json", b"whole")
    (tmp_path / "c").write_text("a file")
    with pytest.raises(WriteError, match="--out"):
        output.write("c/d.json", b"x")
    output.clear("drafts")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b.json", "c"]


def test_a_table_replaces_an_earlier_one(
    memory: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "PART_ROWS", 2)
    output = Output(OUT)
    for count in (5, 3):
        parts = Parts(output, "failed", FAILED)
        for index in range(count):
            rows = [{"clip": f"{index}", "code": "x", "reason": "y", "fatal": False}]
            parts.add(pa.Table.from_pylist(rows, schema=ROWS))
        parts.finish()
        found = [parquet.read_table(memory.open(path)) for path in memory.find("/results/failed")]
        clips = pa.concat_tables(found).column("clip").to_pylist()
        assert clips == [str(index) for index in range(count)]
    assert len(memory.find("/results/failed")) == 2
    Parts(output, "failed", FAILED).flush()
    assert len(memory.find("/results/failed")) == 2
    Parts(output, "failed", FAILED).finish()
    assert not memory.exists("/results/failed")
    assert ANSWERS.names[:2] == FAILED.names[:2]


def test_a_key_is_of_content_model_options_and_version(monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"seed": 0, "target": ["top1"]}
    key = module.content_key("a" * 64, ["b" * 64], options)
    text = json.dumps(
        {
            "clip": "a" * 64,
            "classifiers": ["b" * 64],
            "options": {"target": ["top1"], "seed": 0},
            "version": module.__version__,
        },
        sort_keys=True,
        separators=(",", ":"),
    )
    assert key == hashlib.sha256(text.encode()).hexdigest()
    assert key != module.content_key("a" * 64, ["c" * 64], options)
    monkeypatch.setattr(module, "__version__", "0.0.1")
    assert key != module.content_key("a" * 64, ["b" * 64], options)
