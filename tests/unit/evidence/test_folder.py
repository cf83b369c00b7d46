"""Records of a folder of clips, written by one command and checked by another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests.unit.evidence.conftest import MODEL, Case

import videovisual
from videovisual import evidence, motion
from videovisual.evidence import Outcome
from videovisual_client import exits
from videovisual_client.cli import main

CLIPS = ("left/a", "left/a.evidence", "right/a")
"""Names; the second's answer must not lie where the first's record does."""

ASKED = ("--model", MODEL, "--local", "--method", "gradient", "--format", "evidence")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def made(case: Case, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `clips`, and `results` with a signed record of each."""
    folder = tmp_path_factory.mktemp("folder")
    for number, name in enumerate(CLIPS):
        path = folder / "clips" / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, frames=motion.sample(number).frames, fps=25.0)
    done = run(
        *("explain", folder / "clips", *ASKED, "-o", folder / "results"),
        *("--sign-with", case.private),
    )
    assert done.exit_code == 0, done.output
    assert "records: signed by ed25519:" in done.stderr
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def records(folder: Path) -> Iterator[Path]:
    return (path for path in sorted((folder / "results").rglob("*evidence.json")))


def told(folder: Path, *words: str | Path) -> tuple[int, dict[str, Any]]:
    done = run("verify", folder / "results", folder / "clips", *words, "--json")
    return done.exit_code, json.loads(done.stdout)


def test_a_folder_of_records_is_verified(folder: Path, case: Case) -> None:
    """Computed again, with the key, from METHOD/MODEL's parent and from the folder itself."""
    status, said = told(folder, "--key", case.public)
    assert status == exits.OK, said
    assert [row["clip"] for row in said["records"]] == ["left/a", "left/a.evidence_", "right/a"]
    parts = {finding["part"] for row in said["records"] for finding in row["findings"]}
    assert parts == {"record", "signature", "clip", "model", "answer", "map"}
    inner = folder / "results" / "gradient" / MODEL
    done = run("verify", inner, folder / "clips", "--no-recompute")
    assert done.exit_code == exits.OK, done.output
    assert "3 records: 3 verified" in done.stdout


def test_the_worst_outcome_is_the_status(folder: Path, case: Case) -> None:
    hashes = "--no-recompute"
    first, second, third = records(folder)
    third.rename(folder / "kept")
    status, said = told(folder, hashes)
    assert (status, said["without_record"]) == (exits.INCOMPLETE, ["right/a"])
    first.write_bytes(second.read_bytes())
    status, said = told(folder, hashes)
    assert [row["outcome"] for row in said["records"]] == ["other input", "verified"]
    assert status == exits.OTHER_INPUT
    (folder / "kept").rename(third)
    third.write_bytes(third.read_bytes().replace(b"A", b"B", 1))
    status, said = told(folder, hashes)
    assert [row["outcome"] for row in said["records"]] == ["other input", "verified", "altered"]
    assert (status, said["without_record"]) == (exits.ALTERED, [])
    plain = run("verify", folder / "results", folder / "clips", hashes)
    assert "3 records: 1 altered, 1 other input, 1 verified" in plain.stdout
    assert "differs" in plain.stdout


def test_a_record_of_another_name_finds_its_clip_by_the_bytes(folder: Path) -> None:
    first, _, third = records(folder)
    first.rename(first.with_name("0123.evidence.json"))
    status, said = told(folder, "--no-recompute")
    assert status == exits.OK, said
    (folder / "clips/right/a.npz").rename(folder / "right.npz")
    third.rename(third.with_name("4567.evidence.json"))
    status, said = told(folder, "--no-recompute")
    assert status == exits.INCOMPLETE
    assert said["records"][-1]["clip"] is None
    clip = folder / "right.npz"
    one = run("verify", third.parent, clip, "--no-recompute")
    assert one.exit_code == exits.OK, one.output


def test_a_clip_that_cannot_be_read_fails_by_itself(folder: Path) -> None:
    (folder / "clips/right/a.npz").write_bytes(b"PK\x03\x04")
    status, said = told(folder, "--no-recompute")
    assert status == exits.SOME_FAILED
    assert [row["outcome"] for row in said["records"]] == ["verified", "verified", "failed"]
    assert said["records"][-1]["error"].startswith("malformed_clip: ")
    assert run("verify", folder / "clips", folder / "clips").exit_code == exits.FAILED


def test_a_key_given_later_signs_all_records(folder: Path, tmp_path: Path) -> None:
    run("keys", "new", tmp_path / "second")
    again = ("explain", folder / "clips", *ASKED, "-o", folder / "results")
    kept = [path.read_bytes() for path in records(folder)]
    assert told(folder, "--key", tmp_path / "second.pub")[0] == exits.ALTERED
    assert "already finished: 3 of 3" in run(*again).stderr
    assert [path.read_bytes() for path in records(folder)] == kept
    done = run(*again, "--sign-with", tmp_path / "second.key")
    assert done.exit_code == 0, done.output
    status, said = told(folder, "--no-recompute", "--key", tmp_path / "second.pub")
    assert status == exits.OK, said


def test_calls_share_the_models_that_they_load(case: Case) -> None:
    loaded: dict[str, videovisual.Classifier] = {}
    found = videovisual.verify(case.record, case.clip, loaded=loaded)
    assert (found.outcome, list(loaded)) == (Outcome.VERIFIED, [MODEL])
    # What is there under a name is taken, even if it is another.
    loaded[MODEL] = videovisual.load("r3d-motion")
    found = videovisual.verify(case.record, case.clip, loaded=loaded)
    assert found.outcome is Outcome.OTHER_INPUT


def test_compare_writes_one_record_of_all_methods(case: Case, tmp_path: Path) -> None:
    asked = ("compare", case.clip, "--model", MODEL, "--local", "--methods", "gradient,grad_cam")
    record = tmp_path / "evidence.json"
    signed = ("--sign-with", case.private)
    assert run(*asked, "-o", tmp_path / "a.png", *signed).exit_code == exits.USAGE
    done = run(*asked, "-o", tmp_path / "a.png", "-o", record, *signed)
    assert done.exit_code == 0, done.output
    methods = [each.method for each in evidence.read(record).answer.explanations]
    assert methods == ["gradient", "grad_cam"]
    verified = run("verify", record, case.clip, "--key", case.public)
    assert verified.exit_code == exits.OK, verified.output


def test_a_key_without_records_is_wrong_usage(case: Case, folder: Path) -> None:
    asked = (folder / "clips", "--model", MODEL, "--sign-with", case.private)
    for command in ("explain", "compare"):
        done = run(command, *asked)
        assert done.exit_code == exits.USAGE
        assert "Add --format evidence" in done.stderr
