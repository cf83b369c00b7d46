"""The command on Ray, in a network namespace with loopback alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

pytest.importorskip("ray")
from benchmarks.bulk.cluster import LOOPBACK
from benchmarks.load.material import motion_clip

pytestmark = pytest.mark.slow
LIMIT_S = 600


@pytest.fixture(scope="module", autouse=True)
def _loopback() -> None:
    try:
        subprocess.run([*LOOPBACK, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to make a network namespace, as root on Linux")


def alone(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run a module there."""
    command = [*LOOPBACK, sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)


def bulk(clips: Path, out: Path, *options: str) -> tuple[dict[str, Any], int]:
    given = ["--model", "tsm-motion", "--method", "gradient", "--out", out, "--json", *options]
    done = alone("videovisual_client", "bulk", clips, *given)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode


def test_a_data_set_is_answered_and_only_what_is_new_again(clips: Path, tmp_path: Path) -> None:
    (clips / "broken.mp4").write_bytes(b"no video")
    out = tmp_path / "out"
    first, status = bulk(clips, out, "--format", "png")
    assert (first["computed"], first["restored"], first["failed"], status) == (2, 0, 1, 4)
    rows = parquet.read_table(out / "answers").to_pylist()
    assert sorted(Path(row["clip"]).name for row in rows) == ["moves up-0.npz", "moves up-1.npz"]
    for row in rows:
        assert (out / row["map"]).is_file()
        assert [(out / name).read_bytes()[:4] for name in row["pictures"]] == [b"\x89PNG"]
    (failed,) = parquet.read_table(out / "failed").to_pylist()
    assert failed["code"] == "unsupported_media"

    (clips / "broken.mp4").unlink()
    (clips / "moves up-0.npz").write_bytes(motion_clip(5))
    (clips / "moves up-2.npz").write_bytes((clips / "moves up-1.npz").read_bytes())
    again, status = bulk(clips, out, "--format", "png")
    assert (again["computed"], again["restored"], again["failed"], status) == (1, 2, 0, 0)
    rows = parquet.read_table(out / "answers").to_pylist()
    assert sorted(Path(row["clip"]).name for row in rows) == sorted(os.listdir(clips))
    assert not (out / "drafts").exists()
    assert not (out / "failed").exists()


def test_an_error_of_all_clips_ends_the_run(clips: Path, tmp_path: Path) -> None:
    answer, status = bulk(clips, tmp_path / "out", "--device", "tpu")
    assert status == 1
    assert answer["error"]["code"] == "invalid_parameter"


def test_a_cluster_that_is_not_there_is_told(clips: Path, tmp_path: Path) -> None:
    answer, status = bulk(clips, tmp_path / "out", "--address", "127.0.0.1:1")
    assert status == 3
    assert answer["error"]["code"] == "connection_failed"


def test_nothing_is_lost_when_workers_nodes_and_runs_are_killed(tmp_path: Path) -> None:
    report = tmp_path / "bulk.json"
    done = alone(
        "benchmarks.bulk", "--inside", "--quick", "--rows", "kills,resumed", "--output", report
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads(report.read_text())
    assert [rows[name]["passed"] for name in ("kills", "resumed")] == [True, True]
