"""The viewer as a process: what it leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

DEADLINE_S = 60


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_deletes_the_uploaded_clips(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "videovisual_client", "ui", "--port", "0", "--token", ""]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"TMPDIR": str(tmp_path)}
    )
    try:
        assert process.stdout is not None
        url = process.stdout.readline().split()[4].rstrip("/")
        with httpx.Client(trust_env=False, headers={"Origin": url}) as page:
            assert page.post(f"{url}/api/clips?name=x.mp4", content=b"clip").status_code == 200
        assert list(tmp_path.glob("videovisual-ui-*/*"))
        process.send_signal(number)
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
        process.wait()
    assert list(tmp_path.iterdir()) == []
