"""Mixed load for some minutes, with every answer and the worker's memory checked."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil

from benchmarks.load.answers import differs
from benchmarks.load.endpoint import Endpoint
from benchmarks.row import Row, quantile

WORK: tuple[dict[str, Any], ...] = (
    {},
    {"method": "gradient"},
    {"method": "gradient_x_input"},
    {"method": "grad_cam"},
    {"method": "grad_cam", "output": "png"},
    {"method": "smooth_grad", "samples": 4},
    {"method": "integrated_gradients", "steps": 6},
    {"method": "integrated_gradients", "steps": 4, "output": "npz"},
    {"method": "occlusion", "box": 32, "box_frames": 16},
    {"method": "rise", "masks": 20},
    {"method": "ep_2d", "iterations": 8},
    {"method": "ep_3d", "iterations": 8},
    {"method": "step", "iterations": 8},
    {"method": "gradient", "evaluate": "true"},
)
BAD: tuple[tuple[dict[str, Any], int], ...] = (
    ({"files": {"video": b"no video at all" * 40}}, 415),
    ({"data": {"method": "gradient"}}, 400),
    ({"files": {"video": b""}}, 400),
)
SAMPLE_S = 2.0


@dataclass
class Tally:
    """Counts and problems so far."""

    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, problem: str | None = None) -> None:
        with self.lock:
            self.done[kind] += 1
            if problem:
                self.wrong.append(problem)


def mixed(endpoint: Endpoint, clips: list[bytes], *, minutes: float) -> Row:
    """Classifications, all methods, bad input and disconnects; every answer must equal the same
    request's answer on the idle server."""
    expected = {
        (place, number): endpoint.request(clip, **options)
        for place, clip in enumerate(clips)
        for number, options in enumerate(WORK)
    }
    tally = Tally()
    over = threading.Event()
    began = time.monotonic()
    worker = endpoint.worker()

    def guarded(name: str, act: Any) -> None:
        rng = random.Random(name)
        while not over.is_set():
            try:
                act(rng)
            except httpx.HTTPError as error:
                with tally.lock:
                    tally.lost.append(f"{name}: {type(error).__name__}")

    def classify(rng: random.Random) -> None:
        place = rng.randrange(len(clips))
        check(place, 0)
        over.wait(rng.uniform(0, 0.3))

    def explain(rng: random.Random) -> None:
        check(rng.randrange(len(clips)), rng.randrange(1, len(WORK)))

    def check(place: int, number: int) -> None:
        response = endpoint.request(clips[place], **WORK[number])
        wrong = differs(expected[place, number], response)
        kind = str(WORK[number].get("method", "classify"))
        tally.note(kind, wrong and f"{kind} of clip {place}: {wrong}")

    def misbehave(rng: random.Random) -> None:
        body, status = rng.choice(BAD)
        given = endpoint.post(**body).status_code
        tally.note("bad input", None if given == status else f"{given} instead of {status}")
        over.wait(rng.uniform(0, 1))

    def leave(rng: random.Random) -> None:
        stay = rng.uniform(0.2, 3)
        entered = time.monotonic()
        for _ in endpoint.events(rng.choice(clips), method="step", iterations=2000):
            if time.monotonic() - entered > stay:
                break
        tally.note("left")

    roles = {"classify": classify, "explain": explain, "misbehave": misbehave, "leave": leave}
    clients = [*("classify",) * 2, *("explain",) * 4, "misbehave", "leave"]
    threads = [
        threading.Thread(target=guarded, args=(f"{role}-{number}", roles[role]), daemon=True)
        for number, role in enumerate(clients)
    ]
    for thread in threads:
        thread.start()
    while time.monotonic() - began < minutes * 60:
        try:
            tally.memory.append((time.monotonic() - began, worker.memory_info().rss))
        except psutil.NoSuchProcess:
            break
        over.wait(SAMPLE_S)
    over.set()
    for thread in threads:
        thread.join(300)
    restarted = endpoint.worker().pid != worker.pid
    return _row(tally, minutes, restarted)


def _row(tally: Tally, minutes: float, restarted: bool) -> Row:
    length = minutes * 60
    early = [size for at, size in tally.memory if 0.25 * length <= at < 0.5 * length]
    late = [size for at, size in tally.memory if at >= 0.75 * length]
    growth = quantile(late, 0.5) / quantile(early, 0.5) - 1
    passed = not tally.wrong and not tally.lost and not restarted and abs(growth) <= 0.03
    return Row(
        f"{minutes:g} minutes of mixed load (classify, all methods, bad input, leavers)",
        "no wrong answer, no lost request, no worker restart, resident memory flat within 3%",
        f"{sum(tally.done.values())} requests: {len(tally.wrong)} wrong, {len(tally.lost)} lost; "
        f"worker {'restarted' if restarted else 'the same'}; memory {growth:+.1%}",
        passed,
        {
            "requests": dict(tally.done),
            "wrong": tally.wrong[:20],
            "lost": tally.lost[:20],
            "resident": tally.memory[:: max(1, len(tally.memory) // 120)],
            "growth": growth,
        },
    )
