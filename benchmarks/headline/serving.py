"""Behaviour of a real TorchServe."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.headline.figure import Figure, repeat
from benchmarks.headline.plan import Plan
from benchmarks.load import latency, material, throughput
from benchmarks.load.endpoint import Endpoint
from benchmarks.row import quantile
from videovisual_client.torchserve import Server

STEP_ITERATIONS = 20
STARTS_BUDGET_S = 90.0
"""Of all starts of one model's server, and what is measured on a server that was just started."""

ROUNDS_BUDGET_S = 25.0
"""Of the rounds of throughput."""

PARTS = 4
"""Repetitions into which the calls of the overhead are divided."""


@dataclass
class _Found:
    """Values of each repetition."""

    latency: list[float] = field(default_factory=list)
    start: list[float] = field(default_factory=list)
    throughput: list[float] = field(default_factory=list)
    overhead: list[float] = field(default_factory=list)


def serving(plan: Plan) -> Iterator[Figure]:
    clips = [material.motion_clip(index) for index in range(throughput.COUNT)]
    with tempfile.TemporaryDirectory(prefix="videovisual-headline-") as folder:
        ours, plain = Path(folder, "ours"), Path(folder, "plain")
        for model in plan.served:
            material.served(model, ours)
            material.plain(model, plain)
            yield from _figures(model, _measured(model, ours, plain, clips, plan))


def _figures(model: str, found: _Found) -> Iterator[Figure]:
    yield Figure(
        "serving",
        f"{model}: classification p95 from the first 8 STEP jobs on, over p95 idle",
        tuple(found.latency),
        better="lower",
    )
    yield Figure(
        "serving",
        f"{model}: seconds to READY over a plain handler's",
        tuple(found.start),
        better="lower",
    )
    yield Figure(
        "serving",
        f"{model}: throughput of 8 STEP jobs at once over one after another",
        tuple(found.throughput),
    )
    yield Figure(
        "serving",
        f"{model}: classification over HTTP over the same in process, p50",
        tuple(found.overhead),
        better="lower",
    )


def _measured(model: str, ours: Path, plain: Path, clips: list[bytes], plan: Plan) -> _Found:
    """Start the server for each repetition, so that each has the worker's first searches."""
    found = _Found()

    def fresh() -> None:
        with _started(model, plain) as (_, plain_s):
            pass
        with _started(model, ours) as (server, seconds):
            found.start.append(seconds / plain_s)
            endpoint = Endpoint(server, model)
            latencies = latency.under_load(
                endpoint,
                clips[0],
                idle=plan.samples,
                loaded=plan.samples,
                iterations=STEP_ITERATIONS,
            )
            found.latency.append(latencies.ratio)
            if len(found.start) == 1:
                _while_it_runs(found, endpoint, clips, plan)

    for _ in repeat(fresh, plan.repetitions, STARTS_BUDGET_S):
        pass
    return found


def _while_it_runs(found: _Found, endpoint: Endpoint, clips: list[bytes], plan: Plan) -> None:
    """What doesn't need a server that was just started."""
    for each in repeat(
        lambda: throughput.round_of(endpoint, clips, method="step", iterations=STEP_ITERATIONS),
        plan.repetitions,
        ROUNDS_BUDGET_S,
    ):
        found.throughput.append(each.ratio)
    calls = latency.calls(endpoint, material.video(), samples=plan.samples // 2)
    for part in range(PARTS):
        http, in_process = (
            quantile(seconds[part::PARTS], 0.5) for seconds in (calls.http, calls.in_process)
        )
        found.overhead.append(http / in_process)


@contextmanager
def _started(model: str, store: Path) -> Iterator[tuple[Server, float]]:
    """A new server, and its seconds until READY."""
    began = time.perf_counter()
    with Server([model], store=store, port=18100) as server:
        yield server, time.perf_counter() - began
