"""A model that TorchServe doesn't serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.client.conftest import Run
from tests.unit.client.fake_server import FakeServer, Received, Reply

from videovisual.errors import UnknownModel
from videovisual_client import Client


def not_found(request: Received) -> Reply:
    name = request.path.rpartition("/")[2]
    message = f"Model not found: {name}"
    return Reply({"code": 404, "type": "ModelNotFoundException", "message": message}, 404)


def test_the_client_lists_the_near_names(fake: FakeServer, client: Client) -> None:
    fake.handler = not_found
    frames = np.zeros((8, 16, 16, 3), np.uint8)
    with pytest.raises(UnknownModel) as refused:
        client.classify(frames, model="tsm-epic55-verbs")
    assert "serves no model 'tsm-epic55-verbs'. Nearest: tsm-epic55-verb" in str(refused.value)
    assert refused.value.detail["nearest"][0] == "tsm-epic55-verb"


def test_the_command_lists_the_near_names(fake: FakeServer, run: Run, tmp_path: Path) -> None:
    fake.handler = not_found
    np.savez(tmp_path / "clip.npz", frames=np.zeros((8, 16, 16, 3), np.uint8))
    done = run("classify", "clip.npz", "--model", "i3d-kinetic")
    assert done.exit_code == 1
    assert "Nearest: i3d-kinetics400" in done.stderr


@pytest.mark.parametrize("name", ["r3d-motion", "gestures"])
def test_a_known_model_that_is_not_served_is_called_so(
    fake: FakeServer, run: Run, tmp_path: Path, name: str
) -> None:
    fake.handler = not_found
    (tmp_path / "model_store").mkdir()
    (tmp_path / "model_store" / "gestures.mar").touch()
    np.savez(tmp_path / "clip.npz", frames=np.zeros((8, 16, 16, 3), np.uint8))
    done = run("classify", "clip.npz", "--model", name)
    assert f"doesn't serve {name}. Serve it: `videovisual serve {name}`." in done.stderr
    assert "Nearest" not in done.stderr


def test_where_no_name_is_near_none_is_told(fake: FakeServer, run: Run, tmp_path: Path) -> None:
    fake.handler = not_found
    np.savez(tmp_path / "clip.npz", frames=np.zeros((8, 16, 16, 3), np.uint8))
    done = run("classify", "clip.npz", "--model", "zzzzzz")
    assert "serves no model 'zzzzzz'. `videovisual models`" in done.stderr
