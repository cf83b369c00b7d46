"""The container's health check, run as Docker runs it, against a management address on loopback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "deploy" / "container" / "ready.py"
KEY = "management key"
READY, BUSY = {"status": "READY"}, {"status": "UNLOADING"}


class Management(ThreadingHTTPServer):
    """Knows the workers of models, and takes one key or, where it is empty, any."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.workers: dict[str, list[dict[str, str]]] = {}
        self.key = KEY
        self.ping = "Healthy"


class Answer(BaseHTTPRequestHandler):
    server: Management

    def do_GET(self) -> None:
        if self.path == "/ping":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"status": self.server.ping}).encode())
            return
        name = self.path.removeprefix("/models/")
        bearer = self.headers.get("Authorization", "")
        if self.server.key and bearer != f"Bearer {self.server.key}":
            self.send_error(400)
        elif name not in self.server.workers:
            self.send_error(404)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps([{"workers": self.server.workers[name]}]).encode())

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def management() -> Iterator[Management]:
    server = Management()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path, management: Management) -> Path:
    """A run folder of a server of two models."""
    lines = (
        "default_startup_timeout=180",
        f"management_address=http://127.0.0.1:{management.server_port}",
        "load_models=i3d-motion=i3d-motion.mar,tsm-motion=tsm-motion.mar",
    )
    (tmp_path / "config.properties").write_text("\n".join(lines))
    (tmp_path / "key_file.json").write_text(json.dumps({"management": {"key": KEY}}))
    return tmp_path


def look(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-S", str(SCRIPT)],
        env=os.environ | {"VIDEOVISUAL_RUN_FOLDER": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_ready_is_every_worker_of_every_model(management: Management, folder: Path) -> None:
    management.workers = {"i3d-motion": [READY], "tsm-motion": [READY]}
    assert look(folder).returncode == 0


@pytest.mark.parametrize("workers", [None, [], [BUSY], [READY, BUSY]])
def test_one_model_that_is_not_ready_is_named(
    management: Management, folder: Path, workers: list[dict[str, str]] | None
) -> None:
    management.workers = {"i3d-motion": [READY]}
    if workers is not None:
        management.workers["tsm-motion"] = workers
    done = look(folder)
    assert done.returncode == 1
    assert ("404" if workers is None else "tsm-motion") in done.stdout
    assert "Traceback" not in done.stderr


def test_a_refused_key_is_not_ready(management: Management, folder: Path) -> None:
    management.workers = {"i3d-motion": [READY], "tsm-motion": [READY]}
    management.key = "another"
    assert look(folder).returncode == 1


def test_a_server_without_tokens(management: Management, folder: Path) -> None:
    management.workers = {"i3d-motion": [READY], "tsm-motion": [READY]}
    management.key = ""
    (folder / "key_file.json").unlink()
    assert look(folder).returncode == 0


def test_a_server_that_has_not_begun(tmp_path: Path) -> None:
    done = look(tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("ping", "status"), [("Healthy", 0), ("Unhealthy", 1)])
def test_uvicorn_is_ready_when_its_ping_says_so(
    management: Management, tmp_path: Path, ping: str, status: int
) -> None:
    management.ping = ping
    (tmp_path / "url").write_text(f"http://127.0.0.1:{management.server_port}")
    assert look(tmp_path).returncode == status


def test_uvicorn_that_has_gone_is_not_ready(tmp_path: Path) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        (tmp_path / "url").write_text(f"http://127.0.0.1:{bound.getsockname()[1]}")
        done = look(tmp_path)
    assert done.returncode == 1
    assert "no answer yet" in done.stdout
    assert "Traceback" not in done.stderr
