"""A real TorchServe signs with the key of its settings, and an auditor verifies its answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.serving.conftest import QUICK, STORE

import videovisual
from videovisual.evidence import Outcome, SigningKey, Verification
from videovisual_archive import archive
from videovisual_client import Client
from videovisual_client.cli import main
from videovisual_client.torchserve import Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return SigningKey.new().save(tmp_path_factory.mktemp("keys") / "server")


@pytest.fixture(scope="module")
def signing(keys: tuple[Path, Path]) -> Iterator[Server]:
    """A TorchServe of its own, with a key, and with threads that other requests don't change."""
    archive(QUICK, store=STORE)
    settings = keys[0].with_name("settings.json")
    found = {"signing_key": str(keys[0]), "threads": 1, "idle": False}
    settings.write_text(json.dumps(found))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIDEOVISUAL_SETTINGS", str(settings))
        with Server([QUICK], store=STORE) as server:
            yield server


@pytest.mark.parametrize(("method", "options"), [("gradient", {}), ("step", {"iterations": 20})])
def test_what_a_server_signed_comes_out_again(
    signing: Server,
    keys: tuple[Path, Path],
    video: Path,
    tmp_path: Path,
    method: str,
    options: dict[str, int],
) -> None:
    with Client(signing.url, key_file=signing.key_file) as client:
        result = client.explain(video, model=QUICK, method=method, evaluate=True, **options)
    record = result.save(tmp_path / "evidence.json")
    found = videovisual.verify(record, video, keys=[keys[1]])
    assert found.outcome is Outcome.VERIFIED, said(found)
    assert {finding.verdict.value for finding in found.findings} == {"same"}, said(found)


def test_the_command_keeps_the_signature(
    signing: Server, keys: tuple[Path, Path], video: Path, tmp_path: Path
) -> None:
    record = tmp_path / "clip.evidence.json"
    where = ["--url", signing.url, "--key-file", str(signing.key_file), "--model", QUICK]
    asked = ["explain", str(video), *where, "--method", "grad_cam", "-o", str(record)]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 0, done.stderr
    assert f"signed by {SigningKey.read(keys[0]).id}" in done.stderr
    words = ["verify", str(record), str(video), "--key", str(keys[1])]
    verified = CliRunner().invoke(main, words)
    assert verified.exit_code == 0, verified.stdout


def said(found: Verification) -> str:
    return "\n".join(finding.message for finding in found.findings)
