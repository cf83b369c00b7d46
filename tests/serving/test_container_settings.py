"""What the container gives to `videovisual serve`, without a container."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.serving.api import eventually
from tests.serving.conftest import QUICK

from videovisual_archive import archive

ROOT = Path(__file__).parents[2]
CONTAINER = ROOT / "deploy" / "container"
DEADLINE_S = 120


@pytest.mark.slow
def test_a_server_without_keys_is_found_ready_and_takes_requests(tmp_path: Path) -> None:
    store = archive(QUICK, store=ROOT / "model_store").parent
    config = tmp_path / "config.properties"
    parts = (ROOT / "config.properties", CONTAINER / "config.properties")
    config.write_text("".join(part.read_text("utf-8") for part in parts))
    run_folder = tmp_path / "run"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "videovisual_client", "serve", "--store", str(store)),
            *("--run-folder", str(run_folder), "--config", str(config)),
            *("--log-config", str(CONTAINER / "log4j2.xml")),
        ],
        env=os.environ | {"VIDEOVISUAL_MODELS": QUICK, "TS_DISABLE_TOKEN_AUTHORIZATION": "true"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        served, keys = process.stdout.readline(), process.stdout.readline()
        assert f"Serving {QUICK} at http://0.0.0.0:" in served
        assert "need no key" in keys
        ready = subprocess.run(
            [sys.executable, "-S", str(CONTAINER / "ready.py")],
            env=os.environ | {"VIDEOVISUAL_RUN_FOLDER": str(run_folder)},
            check=False,
        )
        assert ready.returncode == 0
        url = served.split()[-1].replace("0.0.0.0", "127.0.0.1")
        answer = httpx.post(f"{url}/predictions/{QUICK}", content=b"no video", timeout=DEADLINE_S)
        assert answer.status_code == 415
        # All that is said goes to the one log, and nothing is kept in files.
        log = run_folder / "torchserve.log"
        assert eventually(lambda: '{"event"' in log.read_text("utf-8"), DEADLINE_S)
        assert not (run_folder / "logs").exists()
    finally:
        process.terminate()
        status = process.wait(DEADLINE_S)
    assert status == 0


@pytest.mark.slow
def test_uvicorn_by_the_entry_point_is_found_ready_and_logs_to_standard_output(
    tmp_path: Path,
) -> None:
    run_folder = tmp_path / "run"
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "VIDEOVISUAL_RUN_FOLDER": str(run_folder),
        "VIDEOVISUAL_SERVER": "uvicorn",
        "TS_DISABLE_TOKEN_AUTHORIZATION": "true",
    }
    health = [sys.executable, "-S", str(CONTAINER / "ready.py")]
    assert subprocess.run(health, env=environment, check=False).returncode == 1
    process = subprocess.Popen(
        ["sh", str(CONTAINER / "entrypoint.sh"), QUICK],
        env=environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        served, keys = process.stdout.readline(), process.stdout.readline()
        assert f"Serving {QUICK} at http://0.0.0.0:" in served
        assert "need no key" in keys
        assert subprocess.run(health, env=environment, check=False).returncode == 0
        url = served.split()[-1].replace("0.0.0.0", "127.0.0.1")
        answer = httpx.post(f"{url}/predictions/{QUICK}", content=b"no video", timeout=DEADLINE_S)
        assert answer.status_code == 415
        line = process.stdout.readline()
        assert json.loads(line)["status"] == 415
        assert (run_folder / "logs" / "journal.log").read_text("utf-8") == ""
    finally:
        process.terminate()
        status = process.wait(DEADLINE_S)
    assert status == 0
    assert subprocess.run(health, env=environment, check=False).returncode == 1
