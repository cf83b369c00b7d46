"""A server with a key signs its explanations, and the client's records carry the signature."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import videovisual
from videovisual import motion
from videovisual.errors import InvalidEvidence, InvalidParameter
from videovisual.evidence import Outcome, SigningKey, Verification
from videovisual.protocol import Answer
from videovisual.server.request import Request
from videovisual.server.service import Service
from videovisual.server.settings import SETTINGS_VARIABLE, Settings
from videovisual.zoo import Classifier
from videovisual_client import Explained


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return SigningKey.new().save(tmp_path_factory.mktemp("keys") / "server")


@pytest.fixture(scope="module")
def model() -> Classifier:
    return videovisual.load("tsm-motion")


@pytest.fixture(scope="module")
def service(keys: tuple[Path, Path], model: Classifier) -> Iterator[Service]:
    service = Service(model, settings=Settings(signing_key=str(keys[0]), idle=False))
    yield service
    service.close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.npz"
    np.savez(path, frames=motion.sample(4).frames, fps=25.0)
    return path


def asked(service: Service, clip: Path, **options: Any) -> bytes:
    state = service.submit(Request({"video": clip.read_bytes(), **options}))
    while state.reply is None:
        service.wait(1)
    assert state.reply.status == 200, state.reply.body
    return state.reply.body


def test_a_record_carries_the_servers_signature(
    service: Service, keys: tuple[Path, Path], model: Classifier, clip: Path, tmp_path: Path
) -> None:
    answer = Answer.model_validate_json(asked(service, clip, method="gradient", evaluate=True))
    own, public = SigningKey.new().save(tmp_path / "own")
    path = Explained(answer, clip).save(tmp_path / "evidence.json")
    found = videovisual.verify(path, clip, model, keys=[keys[1]])
    assert found.outcome is Outcome.VERIFIED, said(found)
    both = Explained(answer, clip).save(tmp_path / "both.evidence.json", key=own)
    found = videovisual.verify(both, clip, keys=[keys[1], public], recompute=False)
    assert found.outcome is Outcome.VERIFIED, said(found)
    one = videovisual.verify(both, clip, keys=[public], recompute=False)
    assert one.outcome is Outcome.INCOMPLETE
    assert "Signed also by ed25519:" in said(one)


def test_a_map_that_was_changed_on_its_way_is_not_saved_as_the_servers(
    service: Service, clip: Path, tmp_path: Path
) -> None:
    answer = json.loads(asked(service, clip, method="gradient"))
    values = answer["explanations"][0]["map"]
    values["base64"] = values["base64"][4:] + values["base64"][:4]
    changed = Explained(Answer.model_validate(answer), clip)
    with pytest.raises(InvalidEvidence, match="map of explanation 0 was changed"):
        changed.save(tmp_path / "evidence.json")
    assert not (tmp_path / "evidence.json").exists()


def test_only_explanations_are_signed(service: Service, clip: Path) -> None:
    assert json.loads(asked(service, clip))["evidence"] is None
    stream = asked(service, clip, method="gradient", output="npz")
    assert b"payload" not in stream


def test_settings_with_another_file_as_the_key_are_refused(
    keys: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"signing_key": str(keys[1])}))
    monkeypatch.setenv(SETTINGS_VARIABLE, str(settings))
    with pytest.raises(InvalidParameter, match=r"signing_key = .*holds no private key in PEM"):
        Settings.from_environment()


def said(found: Verification) -> str:
    return "\n".join(finding.message for finding in found.findings)
