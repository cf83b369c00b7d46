"""`videovisual ui --open`, with a browser that blocks until it has the page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

DEADLINE_S = 40
BROWSER = """
import os, sys, urllib.request
sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())
sys.stdout.flush()
os.kill(os.getppid(), 2)
"""


def test_the_browser_opens_the_page(tmp_path: Path) -> None:
    script = tmp_path / "browser.py"
    script.write_text(BROWSER)
    command = [sys.executable, "-m", "videovisual_client", "ui", "--open", "--port", "0"]
    done = subprocess.run(
        command,
        env=os.environ
        | {
            "BROWSER": f"{sys.executable} {script} %s",
            "PYTHONUNBUFFERED": "1",
            "VIDEOVISUAL_CACHE": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
        # Background processes start with SIGINT ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert done.returncode == 0, done.stderr
    assert "The viewer is at http://127.0.0.1:" in done.stdout
    assert "<title>" in done.stdout
