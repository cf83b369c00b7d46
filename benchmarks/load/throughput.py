"""Whether explanations at once are done sooner than one after another."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from benchmarks.load.answers import TOLERANCE, json_difference
from benchmarks.load.endpoint import Endpoint
from benchmarks.row import Row

COUNT = 8


def together(endpoint: Endpoint, clips: list[bytes], *, rounds: int, **options: Any) -> Row:
    """8 explanations one after another, and the same 8 at once; each round both."""
    method = options["method"]
    ratios = []
    times = []
    difference = 0.0

    def explain(clip: bytes) -> httpx.Response:
        response = endpoint.ask(clip, **options)
        response.raise_for_status()
        return response

    explain(clips[0])
    with ThreadPoolExecutor(COUNT) as pool:
        for _ in range(rounds):
            began = time.perf_counter()
            alone = [explain(clip) for clip in clips]
            halfway = time.perf_counter()
            at_once = list(pool.map(explain, clips))
            ended = time.perf_counter()
            difference = max(difference, *map(json_difference, alone, at_once))
            times.append((round(halfway - began, 2), round(ended - halfway, 2)))
            ratios.append((halfway - began) / (ended - halfway))
    ratio = sorted(ratios)[len(ratios) // 2]
    return Row(
        f"{endpoint.model}: 8 {method} at once over one after another, throughput",
        "≥ 1.2 on 2 cores",
        f"{ratio:.2f} (answers differ by {difference:.0e})",
        ratio >= 1.2 and difference <= TOLERANCE,
        {"ratios": ratios, "seconds": times, "difference": difference, "options": options},
    )
