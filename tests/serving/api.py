"""Plain HTTP to a server under test."""

from __future__ import annotations

from typing import Any

import requests

from videovisual_client.torchserve import Server

TIMEOUT_S = 120


class Api:
    """The routes of one model, with the token."""

    def __init__(self, server: Server, model: str) -> None:
        self.server = server
        self.model = model

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.server.keys().inference}"}

    def post(self, path: str, *, headers: dict[str, str] | None = None, **body: Any) -> Any:
        return requests.post(
            f"{self.server.url}{path}",
            headers=self.headers | (headers or {}),
            timeout=TIMEOUT_S,
            **body,
        )

    def predict(self, **body: Any) -> Any:
        return self.post(f"/predictions/{self.model}", **body)

    def explain(self, **body: Any) -> Any:
        return self.post(f"/explanations/{self.model}", **body)

    def workers(self) -> list[int]:
        return self.server.worker_pids(self.model)
