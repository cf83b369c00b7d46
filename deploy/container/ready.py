"""The container's health check: are all workers of all models ready?

Prints a line, and exits with status 0 if they are and 1 if not. Docker runs it every few seconds,
so it imports only the standard library.
"""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from pathlib import Path

TIMEOUT_S = 4


def why_not_ready(run_folder: Path) -> str:
    """The first model that is not ready, and its workers' states; empty if all are ready.

    Args:
        run_folder: the run folder of `videovisual serve`, with TorchServe's settings and keys.

    Raises:
        OSError: the server doesn't answer, or refuses the key.
        KeyError, ValueError: the files or the response are not TorchServe's.
    """
    lines = (run_folder / "config.properties").read_text("utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    keys = run_folder / "key_file.json"
    headers = {}
    if keys.is_file():
        key = json.loads(keys.read_text("utf-8"))["management"]["key"]
        headers["Authorization"] = f"Bearer {key}"
    # The server is on this machine, where no proxy of the environment reaches.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for entry in settings["load_models"].split(","):
        model = entry.partition("=")[0]
        request = urllib.request.Request(
            f"{settings['management_address']}/models/{model}", headers=headers
        )
        with direct.open(request, timeout=TIMEOUT_S) as response:
            workers = json.load(response)[0]["workers"]
        states = [worker["status"] for worker in workers]
        if not states or set(states) != {"READY"}:
            return f"{model}: {', '.join(states) or 'no worker yet'}"
    return ""


def main() -> int:
    """Print the result and return the exit status."""
    folder = Path(os.environ.get("VIDEOVISUAL_RUN_FOLDER") or "/tmp/videovisual")
    try:
        reason = why_not_ready(folder)
    except (OSError, KeyError, ValueError) as error:
        reason = f"no answer yet: {error!r}"
    print(reason or "ready")
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
