"""Two replicas on Ray Serve, which share one file of keys."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("ray.serve", exc_type=ImportError)
from benchmarks.bulk.cluster import LOOPBACK

pytestmark = [pytest.mark.serving, pytest.mark.slow]
LIMIT_S = 600


def test_two_replicas_answer_alike(tmp_path: Path) -> None:
    if subprocess.run([*LOOPBACK, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to make a network namespace, as root on Linux")
    command = [*LOOPBACK, sys.executable, "-m", "tests.serving.on_ray", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr[-5000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found["pids"]) == 2
    assert set(found["statuses"]) == {200}
    assert found["refused"] == [401, "authentication_failed"]
    assert found["job"] == 422
    assert found["maps"] == 1
    assert found["events"] > 0


def test_replicas_without_shared_keys_do_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from videovisual.errors import InvalidParameter
    from videovisual.server.asgi import ray_serve

    for name in ("VIDEOVISUAL_KEY_FILE", ray_serve.NO_KEYS_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VIDEOVISUAL_MODELS", "tsm-motion")
    with pytest.raises(InvalidParameter, match="VIDEOVISUAL_KEY_FILE"):
        ray_serve.build()
