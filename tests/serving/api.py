"""Plain HTTP to a server under test."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
from benchmarks.load.endpoint import AnyServer

TIMEOUT_S = 120


class Api:
    """The routes of one model, with the token."""

    def __init__(self, server: AnyServer, model: str) -> None:
        self.server = server
        self.model = model

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.server.keys().inference}"}

    def post(self, path: str, *, headers: dict[str, str] | None = None, **body: Any) -> Any:
        return httpx.post(
            f"{self.server.url}{path}",
            headers=self.headers | (headers or {}),
            timeout=TIMEOUT_S,
            **body,
        )

    def predict(self, **body: Any) -> Any:
        return self.post(f"/predictions/{self.model}", **body)

    def explain(self, **body: Any) -> Any:
        return self.post(f"/explanations/{self.model}", **body)

    def events(self, **body: Any) -> Iterator[dict[str, Any]]:
        """A streamed answer's events; closing the iterator leaves."""
        with httpx.stream(
            "POST",
            f"{self.server.url}/predictions/{self.model}",
            headers=self.headers,
            timeout=TIMEOUT_S,
            **body,
        ) as response:
            for line in response.iter_lines():
                yield json.loads(line)

    def cancel(self, job: str) -> bool:
        return bool(self.predict(json={"cancel": job}).json()["cancelled"])

    def level(self, name: str) -> float:
        """A gauge or counter of the model, summed over its other labels."""
        address = f"{self.server.metrics_url}/metrics"
        text = httpx.get(address, headers=self.headers, timeout=TIMEOUT_S).text
        found = re.findall(rf'^videovisual_{name}{{model="{self.model}".*}} (\S+)$', text, re.M)
        return sum(map(float, found))

    def journal(self) -> list[dict[str, Any]]:
        """What the workers wrote down, an entry a request."""
        log = self.server.folder / "logs" / "journal.log"
        entries = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        return [entry for entry in entries if entry["model"] == self.model]

    def workers(self) -> list[int]:
        return self.server.worker_pids(self.model)


def eventually(what: Callable[[], bool], seconds: float = TIMEOUT_S) -> bool:
    """Whether something gets so in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if what():
            return True
        time.sleep(0.05)
    return False
