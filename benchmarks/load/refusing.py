"""Refusals of a full server."""

from __future__ import annotations

import threading
import time

from benchmarks.load.endpoint import Endpoint, busy, eventually
from benchmarks.load.leaving import LONG
from benchmarks.row import Row, milliseconds, quantile
from videovisual.server.settings import Settings


def refusals(endpoint: Endpoint, clip: bytes, *, samples: int) -> Row:
    """Requests for explanations while the most allowed run and wait."""
    settings = Settings()
    room = settings.max_running + settings.max_waiting

    def stay(over: threading.Event) -> None:
        for _ in endpoint.events(clip, **LONG):
            if over.is_set():
                return

    taken = []
    proper = True
    with busy(endpoint, room, stay):
        full = eventually(
            lambda: endpoint.level("running") + endpoint.level("waiting") == room, 120
        )
        for _ in range(samples):
            began = time.perf_counter()
            response = endpoint.request(clip, **LONG)
            taken.append(time.perf_counter() - began)
            proper &= response.status_code == 503 and "Retry-After" in response.headers
        classified = endpoint.request(clip).status_code == 200
    eventually(lambda: endpoint.level("running") == endpoint.level("waiting") == 0, 60)
    slowest = quantile(taken, 0.95) * 1e3
    return Row(
        f"an explanation refused while {room} run and wait, p95",
        "503 with Retry-After within 100 ms; classifications are still taken",
        f"{slowest:.0f} ms" + ("" if proper and classified else ", not as it should be"),
        full is not None and proper and classified and slowest <= 100,
        {"refused": milliseconds(taken), "proper": proper, "classified": classified},
    )
