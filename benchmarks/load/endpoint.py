"""A served model, as its clients and its operator see it."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from benchmarks.load.uvicorn import Uvicorn
from videovisual_client.torchserve import Server

PATIENCE_S = 600

AnyServer = Server | Uvicorn


class Endpoint:
    """One model of a running server; may be used from several threads."""

    def __init__(self, server: AnyServer, model: str) -> None:
        self.server = server
        self.model = model
        self.http = httpx.Client(
            base_url=server.url,
            headers={"Authorization": f"Bearer {server.keys().inference}"},
            timeout=PATIENCE_S,
            limits=httpx.Limits(max_connections=None),
        )
        self.path = f"/predictions/{model}"

    def post(self, **body: Any) -> httpx.Response:
        return self.http.post(self.path, **body)

    def request(self, video: bytes, **options: object) -> httpx.Response:
        return self.post(files={"video": video}, data=_fields(options))

    def classify(self, video: bytes) -> float:
        """Seconds that a classification takes."""
        began = time.perf_counter()
        response = self.request(video)
        seconds = time.perf_counter() - began
        response.raise_for_status()
        return seconds

    def events(self, video: bytes, **options: object) -> Iterator[dict[str, Any]]:
        """A streamed request's events; closing the iterator disconnects."""
        fields = _fields({**options, "stream": "true"})
        files = {"video": video}
        with self.http.stream("POST", self.path, files=files, data=fields) as response:
            for line in response.iter_lines():
                yield json.loads(line)

    def worker(self) -> psutil.Process:
        (pid,) = self.server.worker_pids(self.model)
        return psutil.Process(pid)

    def resident(self) -> int:
        """The worker's resident bytes."""
        return int(self.worker().memory_info().rss)

    def level(self, name: str) -> float:
        """A gauge or counter of this model, summed over its other labels."""
        text = self.http.get(f"{self.server.metrics_url}/metrics").text
        found = re.findall(rf'^videovisual_{name}{{model="{self.model}".*}} (\S+)$', text, re.M)
        return sum(map(float, found))

    def journal(self) -> list[dict[str, Any]]:
        """The worker's journal, one entry a request."""
        log = Path(self.server.folder) / "logs" / "journal.log"
        return [json.loads(line) for line in log.read_text("utf-8").splitlines()]


def _fields(options: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in options.items()}


def eventually(condition: Callable[[], bool], seconds: float, every: float = 0.05) -> float | None:
    """Seconds until a condition holds; None if it doesn't in time."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        if condition():
            return time.monotonic() - began
        time.sleep(every)
    return None


@contextmanager
def busy(endpoint: Endpoint, count: int, work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `work` in `count` threads until the context ends, which sets their event."""
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
