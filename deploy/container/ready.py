"""Whether the container's server is ready: all workers of all its models.

Exit status 0 when it is; 1 when it isn't, and a line that says why. Docker runs it every few
seconds, so it imports the standard library alone.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path

TIMEOUT_S = 4


def why_not_ready(run_folder: Path) -> str:
    """What is still missing, in words; empty when the server is ready.

    Args:
        run_folder: that of `videovisual serve`, where TorchServe's settings and keys lie.

    Raises:
        OSError: the server isn't there, or refuses the key.
        KeyError, ValueError: what lies there, or what the server says, is not TorchServe's.
    """
    lines = (run_folder / "config.properties").read_text("utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    keys = run_folder / "key_file.json"
    headers = {}
    if keys.is_file():
        key = json.loads(keys.read_text("utf-8"))["management"]["key"]
        headers["Authorization"] = f"Bearer {key}"
    for entry in settings["load_models"].split(","):
        model = entry.partition("=")[0]
        question = urllib.request.Request(
            f"{settings['management_address']}/models/{model}", headers=headers
        )
        with urllib.request.urlopen(question, timeout=TIMEOUT_S) as answer:
            workers = json.load(answer)[0]["workers"]
        states = [worker["status"] for worker in workers]
        if not states or set(states) != {"READY"}:
            return f"{model}: {', '.join(states) or 'no worker yet'}"
    return ""


def main() -> int:
    """The exit status."""
    folder = Path(os.environ.get("VIDEOVISUAL_RUN_FOLDER") or "/tmp/videovisual")
    try:
        reason = why_not_ready(folder)
    except (OSError, KeyError, ValueError) as error:
        reason = f"no answer yet: {error!r}"
    print(reason or "ready")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
