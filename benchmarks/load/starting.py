"""Seconds until a server is ready."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from statistics import median
from typing import Any

from benchmarks.row import Row

UVICORN_S = 4


def ready(
    model: str, start: Callable[[], AbstractContextManager[Any]], *, times: int, has_bar: bool
) -> Row:
    """Start a model's server several times; `has_bar` for uvicorn."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        with start():
            seconds.append(time.perf_counter() - began)
    found = median(seconds)
    return Row(
        f"{model}: READY after the start of the command",
        f"uvicorn ≤ {UVICORN_S} s",
        f"{found:.1f} s",
        found <= UVICORN_S if has_bar else None,
        {"seconds": [round(each, 2) for each in seconds]},
    )
