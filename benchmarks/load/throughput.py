"""Whether explanations at once are done sooner than one after another."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from benchmarks.load.endpoint import Endpoint
from benchmarks.load.row import Row
from videovisual.protocol import Answer

COUNT = 8

TOLERANCE = 1e-4
"""By which a map may differ from the one made alone, relative to its largest value."""


def together(endpoint: Endpoint, clips: list[bytes], *, rounds: int, **options: Any) -> Row:
    """8 explanations one after another, and the same 8 at once; each round both."""
    method = options["method"]
    ratios = []
    times = []
    difference = 0.0

    def explain(clip: bytes) -> Answer:
        response = endpoint.ask(clip, **options)
        response.raise_for_status()
        return Answer.model_validate(response.json())

    explain(clips[0])
    with ThreadPoolExecutor(COUNT) as pool:
        for _ in range(rounds):
            began = time.perf_counter()
            alone = [explain(clip) for clip in clips]
            halfway = time.perf_counter()
            at_once = list(pool.map(explain, clips))
            ended = time.perf_counter()
            difference = max(difference, *map(_difference, alone, at_once))
            times.append((round(halfway - began, 2), round(ended - halfway, 2)))
            ratios.append((halfway - began) / (ended - halfway))
    ratio = sorted(ratios)[len(ratios) // 2]
    return Row(
        f"{endpoint.model}: 8 {method} at once over one after another, throughput",
        "≥ 1.2 on 2 cores",
        f"{ratio:.2f} (maps differ by {difference:.0e})",
        ratio >= 1.2 and difference <= TOLERANCE,
        {"ratios": ratios, "seconds": times, "difference": difference, "options": options},
    )


def _difference(alone: Answer, at_once: Answer) -> float:
    """The largest difference of two answers' maps, relative to the largest value."""
    pairs = zip(alone.explanations, at_once.explanations, strict=True)
    maps = [(one.map.to_numpy(), other.map.to_numpy()) for one, other in pairs]
    return max(float(np.abs(one - other).max() / np.abs(one).max()) for one, other in maps)
