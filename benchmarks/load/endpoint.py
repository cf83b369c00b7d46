"""A served model as a client sees it, and what its operator can see."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from videovisual_client.torchserve import Server

PATIENCE_S = 600


class Endpoint:
    """One model of a running server."""

    def __init__(self, server: Server, model: str) -> None:
        self.server = server
        self.model = model
        self.headers = {"Authorization": f"Bearer {server.keys().inference}"}
        self._client = httpx.Client(timeout=PATIENCE_S)

    @property
    def url(self) -> str:
        return f"{self.server.url}/predictions/{self.model}"

    def post(self, **body: Any) -> httpx.Response:
        return self._client.post(self.url, headers=self.headers, **body)

    def ask(self, video: bytes, **options: object) -> httpx.Response:
        fields = {name: str(value) for name, value in options.items()}
        return self.post(files={"video": video}, data=fields)

    def classify(self, video: bytes) -> float:
        """Seconds that a classification takes."""
        began = time.perf_counter()
        response = self.ask(video)
        seconds = time.perf_counter() - began
        response.raise_for_status()
        return seconds

    def events(self, video: bytes, **options: object) -> Iterator[dict[str, Any]]:
        """A streamed request's events; closing the iterator leaves."""
        fields = {name: str(value) for name, value in options.items()} | {"stream": "true"}
        with self._client.stream(
            "POST", self.url, headers=self.headers, files={"video": video}, data=fields
        ) as response:
            for line in response.iter_lines():
                yield json.loads(line)

    def worker(self) -> psutil.Process:
        (pid,) = self.server.worker_pids(self.model)
        return psutil.Process(pid)

    def resident(self) -> int:
        """Bytes that the worker holds."""
        return int(self.worker().memory_info().rss)

    def level(self, name: str) -> float:
        """A gauge or counter of this model, summed over its other labels."""
        text = self._client.get(f"{self.server.metrics_url}/metrics").text
        found = re.findall(rf'^videovisual_{name}{{model="{self.model}".*}} (\S+)$', text, re.M)
        return sum(map(float, found))

    def journal(self) -> list[dict[str, Any]]:
        """What the worker wrote down, an entry a request."""
        log = Path(self.server.folder) / "logs" / "journal.log"
        return [json.loads(line) for line in log.read_text("utf-8").splitlines()]


def eventually(what: Callable[[], bool], seconds: float, every: float = 0.05) -> float | None:
    """Seconds until something is so; None if it is not in time."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if what():
            return time.monotonic() - began
        time.sleep(every)
    return None


@contextmanager
def busy(endpoint: Endpoint, count: int, work: Callable[[threading.Event], None]) -> Iterator[None]:
    """While open, `count` clients do `work`, which ends when its event is set."""
    over = threading.Event()
    threads = [threading.Thread(target=work, args=(over,), daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(PATIENCE_S)
