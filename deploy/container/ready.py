"""The container's health check: are all models ready?

Prints a line, and exits with status 0 if they are and 1 if not. Docker runs it every few seconds,
so it imports only the standard library.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import urllib.request
from pathlib import Path
from typing import Any

TIMEOUT_S = 4


def why_not_ready(run_folder: Path) -> str:
    """What is not ready; empty if all models are.

    Args:
        run_folder: the run folder of `videovisual serve` or `videovisual explainer`. uvicorn's has
            its address, TorchServe's has TorchServe's settings and keys.

    Raises:
        OSError: the server doesn't answer, or refuses the key.
        KeyError, ValueError: the files or the response are not the server's.
    """
    address = run_folder / "url"
    if address.is_file():
        status = _get(f"{address.read_text('utf-8')}/ping")["status"]
        return "" if status == "Healthy" else f"the server is {status}"
    return _workers_not_ready(run_folder)


def _workers_not_ready(run_folder: Path) -> str:
    """The first model of TorchServe that is not ready, and its workers' states."""
    lines = (run_folder / "config.properties").read_text("utf-8").splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    keys = run_folder / "key_file.json"
    headers = {}
    if keys.is_file():
        key = json.loads(keys.read_text("utf-8"))["management"]["key"]
        headers["Authorization"] = f"Bearer {key}"
    for entry in settings["load_models"].split(","):
        model = entry.partition("=")[0]
        (about, *_) = _get(f"{settings['management_address']}/models/{model}", headers)
        states = [worker["status"] for worker in about["workers"]]
        if not states or set(states) != {"READY"}:
            return f"{model}: {', '.join(states) or 'no worker yet'}"
    return ""


def _get(url: str, headers: dict[str, str] | None = None) -> Any:
    request = urllib.request.Request(url, headers=headers or {})
    # The server is on this machine, where no proxy of the environment reaches, and its certificate
    # is made out to another name.
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trusting)
    )
    with direct.open(request, timeout=TIMEOUT_S) as response:
        return json.load(response)


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
