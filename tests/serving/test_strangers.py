"""Clients that others wrote, against the real servers: KServe's own, and Triton's.

kserve needs psutil before 6 and protobuf before 7, and this project's environment has 7 of both. So
the strangers live in an environment of their own, which is made once.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from benchmarks.load.uvicorn import Uvicorn
from tests.serving import clips
from tests.serving.api import Api
from tests.serving.conftest import BOTH, QUICK

HERE = Path(__file__).parent / "strangers"
REQUIREMENTS = HERE / "requirements.txt"
UNREACHABLE = ("NewConnectionError", "ConnectTimeoutError", "NameResolutionError", "ProxyError")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python() -> Path:
    """The strangers' interpreter."""
    home = Path(sys.prefix) / "strangers"
    made = home / REQUIREMENTS.name
    python = home / "bin" / "python"
    if made.is_file() and made.read_bytes() == REQUIREMENTS.read_bytes():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
    done = subprocess.run(
        [python, "-m", "pip", "install", "-q", "--retries=1", "-r", REQUIREMENTS],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and any(name in done.stderr for name in UNREACHABLE):
        pytest.skip(f"the registry can't be reached: {done.stderr.strip()[-200:]}")
    assert done.returncode == 0, done.stderr
    made.write_bytes(REQUIREMENTS.read_bytes())
    return python


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("strangers") / "clip.npz"
    path.write_bytes(clips.npz(clips.frames(16)))
    return path


@pytest.fixture(scope="module")
def label(api: Api, clip: Path) -> str:
    """What our own route says of the clip."""
    best = api.predict(content=clip.read_bytes()).json()["predictions"][0]
    return str(best["label"])


def told(python: Path, script: str, api: Api, clip: Path) -> Any:
    """What a stranger's script found; uvicorn is asked for more than TorchServe can say."""
    asks = ["asks"] if isinstance(api.server, Uvicorn) else []
    done = subprocess.run(
        [python, HERE / script, api.server.url, api.server.keys().inference, QUICK, clip, *asks],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@BOTH
def test_kserves_client(python: Path, api: Api, clip: Path, label: str) -> None:
    found = told(python, "kserve_client.py", api, clip)
    expected: dict[str, Any] = {
        "v1": {"label": label, "explained": label, "shape": [16, 64, 64]},
        "v2": {"label": label, "answered": label, "shape": [16, 64, 64]},
    }
    if isinstance(api.server, Uvicorn):
        expected["v1"] |= {"live": True, "ready": True}
        expected["v2"] |= {"live": True, "server ready": True, "ready": True, "nobody ready": False}
    assert "'video' is INT64. Allowed: BYTES" in found["v2"].pop("error")
    assert found == expected


@BOTH
def test_tritons_client(python: Path, api: Api, clip: Path, label: str) -> None:
    found = told(python, "triton_client.py", api, clip)
    errors = found.pop("errors")
    for case, (status, words) in {
        "output": ("422", "no output 'boxes'"),
        "input": ("400", "no input 'image'"),
        "datatype": ("400", "'clip' is INT64. Allowed: UINT8, FP32"),
    }.items():
        assert errors[case][0] == status
        assert words in errors[case][1]
    expected = {"label": label, "answered": label, "shape": [16, 64, 64]}
    if isinstance(api.server, Uvicorn):
        expected |= {
            "live": True,
            "server ready": True,
            "ready": True,
            "version ready": True,
            "nobody ready": False,
            "server": "videovisual",
            "metadata": ["logits", "scores", "labels", "saliency", "answer"],
        }
    assert found == expected
