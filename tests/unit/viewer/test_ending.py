"""The viewer as a process: what it offers, and what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from videovisual.names import MODELS

DEADLINE_S = 60


@contextmanager
def viewer(temporary: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """The process, and a client of its page."""
    command = [sys.executable, "-m", "videovisual_client", "ui", "--port", "0", "--token", ""]
    process = subprocess.Popen(
        [*command, *words],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(temporary), "VIDEOVISUAL_CACHE": str(temporary / "cache")},
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[4].rstrip("/")
        with httpx.Client(base_url=url, trust_env=False, headers={"Origin": url}) as page:
            yield process, page
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_deletes_the_clips_where_nothing_is_kept(
    tmp_path: Path, number: signal.Signals
) -> None:
    with viewer(tmp_path, "--keep", "0") as (process, page):
        assert page.post("/api/sample").status_code == 200
        assert list(tmp_path.glob("videovisual-ui-*/*"))
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 0
    assert list(tmp_path.iterdir()) == []


def test_clips_are_kept_in_the_cache_folder_and_a_missing_server_is_told(tmp_path: Path) -> None:
    with viewer(tmp_path, "--url", "http://127.0.0.1:9", "--keep", "0.5") as (process, page):
        clip = page.post("/api/sample").json()["id"]
        found = page.get("/api/results").json()
        assert (found["folder"], found["max_bytes"]) == (f"{tmp_path}/cache/viewer", 2**29)
        problem = page.get("/api/server").json()["problem"]
        assert problem.startswith("The server can't be used: none at 127.0.0.1:9 ")
        assert "videovisual serve" in problem
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
    assert (tmp_path / "cache" / "viewer" / clip / "content").exists()


def test_own_models_of_the_store_are_offered(tmp_path: Path) -> None:
    (tmp_path / "gestures.mar").touch()
    with viewer(tmp_path, "--store", str(tmp_path)) as (_, page):
        assert page.get("/api/about").json()["models"] == [*MODELS, "gestures"]
