"""The command `videovisual serve --server uvicorn` in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from videovisual_client.torchserve import Keys

STOP_S = 60


class Uvicorn:
    """A server that is ready inside of the block; like `videovisual_client.torchserve.Server`."""

    def __init__(self, models: Sequence[str], store: Path, *options: str) -> None:
        self.models = models
        self._store = store
        self._options = options
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.key_file = self.folder / "key_file.json"

    def __enter__(self) -> Uvicorn:
        command = [sys.executable, "-m", "videovisual_client", "serve", *self.models]
        options = ["--server", "uvicorn", "--json", "--store", str(self._store)]
        self.process = subprocess.Popen(
            [*command, *options, "--run-folder", str(self.folder), *self._options],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        said = self.process.stdout.readline() if self.process.stdout else ""
        self.url = self.metrics_url = str(json.loads(said)["url"])
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._folder.cleanup()

    def stop(self) -> int:
        """End it in order; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def keys(self) -> Keys:
        data = json.loads(self.key_file.read_text("utf-8"))
        return Keys(data["inference"]["key"], data["management"]["key"])

    def worker_pids(self, model: str) -> list[int]:
        headers = {"Authorization": f"Bearer {self.keys().management}"}
        (about,) = httpx.get(f"{self.url}/models/{model}", headers=headers).json()
        return [worker["pid"] for worker in about["workers"]]
