"""`videovisual keys` and `videovisual verify`, and the statuses that scripts read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tests import light
from tests.unit.evidence.conftest import MODEL, Case

from videovisual import motion
from videovisual.evidence import Outcome
from videovisual_client import exits
from videovisual_client.cli import main


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_keys_are_made_and_shown(tmp_path: Path) -> None:
    made = json.loads(run("keys", "new", tmp_path / "laboratory", "--json").stdout)
    for name in ("private", "public"):
        assert json.loads(run("keys", "show", made[name], "--json").stdout)["id"] == made["id"]
    assert "(private key)" in run("keys", "show", made["private"]).stdout
    again = run("keys", "new", tmp_path / "laboratory")
    assert again.exit_code == exits.FAILED
    assert "never replaced" in again.stderr


def test_from_a_key_to_a_verified_record(case: Case, tmp_path: Path) -> None:
    record = tmp_path / "clip.evidence.json"
    asked = ("explain", case.clip, "--model", MODEL, "--local", "--method", "gradient")
    done = run(*asked, "-o", record, "--sign-with", case.private)
    assert done.exit_code == 0, done.stderr
    assert "clip.evidence.json, signed by ed25519:" in done.stderr
    verified = run("verify", record, case.clip, "--key", case.public)
    assert verified.exit_code == 0, verified.stdout
    assert "Verified: all that was checked agrees." in verified.stdout
    plain = run(*asked, "-o", tmp_path / "evidence.json")
    assert "not signed: neither side has a key" in plain.stderr


def test_each_outcome_has_its_status(case: Case, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    np.savez(other, frames=motion.sample(5).frames, fps=25.0)
    changed = tmp_path / "changed.evidence.json"
    changed.write_bytes(case.record.read_bytes().replace(b"A", b"B", 1))
    run("keys", "new", tmp_path / "other")
    unsigned = tmp_path / "evidence.json"
    file = json.loads(case.record.read_bytes()) | {"signatures": []}
    unsigned.write_bytes(json.dumps(file, sort_keys=True, separators=(",", ":")).encode())
    hashes = "--no-recompute"
    for words, status in (
        ((case.record, case.clip, hashes), exits.OK),
        ((case.record, case.clip, hashes, "--key", case.public), exits.OK),
        ((changed, case.clip, hashes), exits.ALTERED),
        ((case.record, case.clip, hashes, "--key", tmp_path / "other.pub"), exits.ALTERED),
        ((unsigned, case.clip, hashes, "--key", case.public), exits.ALTERED),
        ((unsigned, case.clip, hashes), exits.INCOMPLETE),
        ((case.record, other, hashes), exits.OTHER_INPUT),
        ((case.record, case.clip, "--model", "r3d-motion"), exits.OTHER_INPUT),
        ((case.record, case.clip, hashes, "--key", case.private), exits.FAILED),
        ((case.record,), exits.USAGE),
    ):
        done = run("verify", *words)
        assert done.exit_code == status, (words, done.stdout, done.stderr)
    assert set(exits.OF_OUTCOMES) == set(Outcome)


def test_json_has_each_finding(case: Case) -> None:
    done = run("verify", case.record, case.clip, "--no-recompute", "--json")
    told = json.loads(done.stdout)
    assert told["outcome"] == "verified"
    assert [each["part"] for each in told["findings"]] == ["record", "signature", "clip", "clip"]
    assert {each["verdict"] for each in told["findings"]} == {"same"}
    changed = run("verify", case.clip, case.clip, "--json")
    assert json.loads(changed.stdout)["error"]["code"] == "invalid_evidence"


def test_a_key_without_a_record_is_wrong_usage(case: Case) -> None:
    asked = ("explain", case.clip, "--model", MODEL, "--sign-with", case.private)
    done = run(*asked, "-o", "map.npz")
    assert done.exit_code == exits.USAGE
    assert "Name one with -o evidence.json" in done.stderr


@pytest.mark.parametrize("recompute", [True, False])
def test_without_torch_hashes_and_signatures_are_checked(case: Case, recompute: bool) -> None:
    words = ["verify", str(case.record), str(case.clip), "--key", str(case.public)]
    (done,) = light.videovisual(
        [*words, *([] if recompute else ["--no-recompute"])], refused=light.BEYOND_PICTURES
    )
    assert done.status == (exits.FAILED if recompute else exits.OK), done.error
    assert ("--no-recompute checks" in " ".join(done.stderr.split())) == recompute
