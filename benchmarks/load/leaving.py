"""Clients that disconnect, and a worker that is killed."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from benchmarks.load.answers import differs
from benchmarks.load.endpoint import Endpoint, eventually
from benchmarks.row import Row
from videovisual_client.torchserve import Server

AT_ONCE = 20
TIDYING_S = 60
STEADY = 25
"""Seconds without a new lowest value, within which the worker has freed memory at least once."""
LONG = {"method": "step", "preset": "reference", "iterations": 10_000}


def leavers(endpoint: Endpoint, clip: bytes, *, count: int) -> Row:
    """Clients that disconnect at random times during an explanation; half of them stream it."""
    rng = random.Random(0)
    stays = [(number % 2 == 0, rng.uniform(0.1, 4)) for number in range(count)]

    def leave(stay: tuple[bool, float]) -> None:
        streamed, seconds = stay
        if streamed:
            began = time.monotonic()
            for _ in endpoint.events(clip, **LONG):
                if time.monotonic() - began > seconds:
                    return
        else:
            try:
                endpoint.post(
                    files={"video": clip},
                    data={name: str(value) for name, value in LONG.items()},
                    timeout=httpx.Timeout(10, read=seconds),
                )
            except httpx.HTTPError:
                return

    def all_leave(some: list[tuple[bool, float]]) -> float | None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(leave, some))
        return eventually(lambda: endpoint.level("running") == endpoint.level("waiting") == 0, 60)

    all_leave(stays[: 2 * AT_ONCE])
    before, noted = _settled(endpoint), len(endpoint.journal())
    gone = all_leave(stays)
    answered = [line for line in endpoint.journal()[noted:] if line["event"] == "answered"]
    # The C library returns freed memory only from time to time.
    eventually(lambda: endpoint.resident() <= 1.03 * before, TIDYING_S)
    after = endpoint.resident()
    late = [line["steps_after_cancel"] for line in answered]
    cancelled = all(line["status"] == 499 for line in answered)
    growth = (after - before) / before
    passed = cancelled and max(late) <= 2 and gone is not None and growth <= 0.03
    return Row(
        f"{count} clients leaving at random during explanations",
        "all jobs gone within 2 steps, memory back to its level",
        f"{len(late)} jobs begun and cancelled, at most {max(late, default=0)} step after the "
        f"server noticed; none left {gone if gone is None else round(gone, 1)} s after the last "
        f"one left; memory {growth:+.1%}",
        passed,
        {
            "begun": len(late),
            "all_cancelled": cancelled,
            "steps_after_cancel": max(late, default=None),
            "seconds_until_all_gone": gone,
            "resident_before": before,
            "resident_after": after,
        },
    )


def _settled(endpoint: Endpoint) -> int:
    """The worker's resident bytes once they no longer fall."""
    least = [endpoint.resident()]

    def falls_no_more() -> bool:
        least.append(min(least[-1], endpoint.resident()))
        return len(least) > STEADY and least[-1] == least[-STEADY]

    eventually(falls_no_more, TIDYING_S, every=1.0)
    return least[-1]


def crash(
    endpoint: Endpoint, server: Server, clip: bytes, video: bytes, *, in_flight: int = 30
) -> Row:
    """The worker is killed during explanations and classifications of a longer video."""
    expected = endpoint.request(clip)
    at = [0.0]
    outcomes: list[tuple[str, float]] = []
    explaining = in_flight - 6

    def request(number: int) -> None:
        try:
            if number < explaining:
                events = [event["event"] for event in endpoint.events(clip, **LONG)]
                outcome = "result" if events[-1:] == ["done"] else "broken stream"
            else:
                # Thirty windows, since one is classified before the worker is killed.
                outcome = str(endpoint.request(video, views=30).status_code)
        except (httpx.HTTPError, ValueError) as error:
            outcome = type(error).__name__
        outcomes.append((outcome, time.monotonic() - at[0]))

    threads = [
        threading.Thread(target=request, args=(number,), daemon=True) for number in range(in_flight)
    ]
    for thread in threads:
        thread.start()

    def under_way() -> float:
        return sum(map(endpoint.level, ("running", "waiting", "classifying")))

    eventually(lambda: under_way() == in_flight, 60)
    worker = endpoint.worker()
    at[0] = time.monotonic()
    worker.kill()

    def ready() -> bool:
        # The management address reports the killed worker as ready for a moment.
        pids = server.worker_pids(endpoint.model)
        return server.is_ready(endpoint.model) and bool(pids) and worker.pid not in pids

    back = eventually(ready, 120)
    for thread in threads:
        thread.join(120)
    answered = max((seconds for _, seconds in outcomes), default=float("inf"))
    after = [differs(expected, endpoint.request(clip)) is None for _ in range(5)]
    kinds = {kind: sum(one == kind for one, _ in outcomes) for kind, _ in outcomes}
    within = [seconds for kind, seconds in outcomes if seconds <= 5]
    passed = len(within) == in_flight and back is not None and back <= 15 and all(after)
    return Row(
        f"worker killed with {in_flight} in flight",
        "every request answered within 5 s, READY within 15 s, the next requests right",
        f"{len(outcomes)} answered, the last after {answered:.1f} s; READY after "
        f"{back if back is None else round(back, 1)} s; next {sum(after)} of 5 right",
        passed,
        {"outcomes": kinds, "last_answer_s": answered, "ready_s": back, "right_after": after},
    )
