"""Throughput of several explanations at once against one after another."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any, NamedTuple

import httpx

from benchmarks.load.answers import TOLERANCE, json_difference
from benchmarks.load.endpoint import Endpoint
from benchmarks.row import Row

COUNT = 8


class Round(NamedTuple):
    """Seconds of 8 explanations both ways, and the largest difference of their answers."""

    in_turn: float
    at_once: float
    difference: float

    @property
    def ratio(self) -> float:
        return self.in_turn / self.at_once


def round_of(endpoint: Endpoint, clips: list[bytes], **options: Any) -> Round:
    """8 explanations one after another, and the same 8 at once."""

    def explain(clip: bytes) -> httpx.Response:
        return endpoint.request(clip, **options).raise_for_status()

    with ThreadPoolExecutor(COUNT) as pool:
        began = time.perf_counter()
        alone = [explain(clip) for clip in clips]
        halfway = time.perf_counter()
        at_once = list(pool.map(explain, clips))
        ended = time.perf_counter()
    return Round(halfway - began, ended - halfway, max(map(json_difference, alone, at_once)))


def together(endpoint: Endpoint, clips: list[bytes], *, rounds: int, **options: Any) -> Row:
    endpoint.request(clips[0], **options).raise_for_status()
    found = [round_of(endpoint, clips, **options) for _ in range(rounds)]
    ratio = median(each.ratio for each in found)
    difference = max(each.difference for each in found)
    return Row(
        f"{endpoint.model}: 8 {options['method']} at once over one after another, throughput",
        "≥ 1.2 on 2 cores",
        f"{ratio:.2f} (answers differ by {difference:.0e})",
        ratio >= 1.2 and difference <= TOLERANCE,
        {
            "ratios": [each.ratio for each in found],
            "seconds": [(round(each.in_turn, 2), round(each.at_once, 2)) for each in found],
            "difference": difference,
            "options": options,
        },
    )
