"""The command `videovisual bench`."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from videovisual.errors import VideoVisualError
from videovisual_client import exits
from videovisual_client.commands.explaining import known, of_methods
from videovisual_client.commands.options import (
    Place,
    chosen,
    clip_options,
    given_options,
    method_option,
    one_or_all,
    placed,
    with_method,
)
from videovisual_client.many import concurrently
from videovisual_client.terminal import bar, out, print_json


@dataclass(frozen=True)
class Timing:
    """How long one kind of question took.

    Attributes:
        what: `classify`, or a method.
        requests: how many were timed.
        p50_s, p95_s, most_s: from question to answer, seconds.
        per_s: answers a second, all together.
    """

    what: str
    requests: int
    p50_s: float
    p95_s: float
    most_s: float
    per_s: float


@click.command(epilog=exits.TABLE)
@given_options(*clip_options, method_option)
@with_method
@click.option("--requests", type=click.IntRange(1), default=20, show_default=True, help="To time.")
@click.option(
    "--warm-up",
    type=click.IntRange(0),
    default=2,
    show_default=True,
    help="Requests before, not timed.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Requests at once.",
)
@placed
def bench(
    clip: Path,
    model: str,
    method: tuple[str, ...],
    as_json: bool,
    requests: int,
    warm_up: int,
    concurrency: int,
    place: Place,
    **options: Any,
) -> None:
    """Time how long a server, or this machine with --local, takes to classify and explain CLIP.

    The times are those of a user: with upload, decoding, queueing and the answer's way back.

    \b
    Examples: videovisual bench clip.mp4 --model i3d-kinetics400 --method grad_cam
              videovisual bench clip.mp4 --model i3d-motion --method step --requests 5 --local
              videovisual bench clip.mp4 --model i3d-motion --concurrency 16 --json
    """
    methods = known(method) if method else []
    sampled = {name: options[name] for name in ("frames", "start_s", "end_s", "timeout_s")}
    told = {**options, "target": [name for name in options["target"] if name != "top1"] or None}
    idle = chosen(told).keys() - sampled.keys() - {"top_k"}
    if idle and not methods:
        raise click.UsageError(f"{min(idle)} is about an explanation: name a --method.")
    timings = []
    with place.open() as asker:

        def classify() -> None:
            asker.classify(clip, model=model, top_k=options["top_k"], **chosen(sampled))

        def explain(name: str) -> Callable[[], None]:
            asked = chosen(of_methods([name], methods, options))
            asked["target"] = one_or_all(options["target"])

            def ask() -> None:
                asker.explain(clip, model=model, method=name, **asked)

            return ask

        for what, ask in [("classify", classify), *((name, explain(name)) for name in methods)]:
            timings.append(_time(what, ask, requests, warm_up, concurrency))
    where = "local" if place.local else place.url
    told = {"model": model, "clip": str(clip), "where": where, "concurrency": concurrency}
    if as_json:
        print_json({**told, "timings": [asdict(timing) for timing in timings]})
        return
    table = Table("", "requests", "p50", "p95", "most", "a second", box=None)
    for timing in timings:
        shown = [f"{1000 * s:.1f} ms" for s in (timing.p50_s, timing.p95_s, timing.most_s)]
        table.add_row(timing.what, str(timing.requests), *shown, f"{timing.per_s:.2f}")
    out.print(table)
    out.print(f"{model} at {where}, {concurrency} at once", soft_wrap=True)


def _time(
    what: str, ask: Callable[[], None], requests: int, warm_up: int, concurrency: int
) -> Timing:
    """Raises the first error: a time of something that fails would say nothing."""

    def timed(_: int) -> float:
        began = time.perf_counter()
        ask()
        return time.perf_counter() - began

    for _ in range(warm_up):
        ask()
    seconds: list[float] = []
    began = time.perf_counter()
    results = concurrently(timed, range(requests), concurrency=concurrency)
    with closing(results), bar(what) as advance:
        for result in results:
            if isinstance(result, VideoVisualError):
                raise result
            seconds.append(result)
            advance(len(seconds), requests)
    return summarise(what, seconds, time.perf_counter() - began)


def summarise(what: str, seconds: Sequence[float], whole_s: float) -> Timing:
    """The times of single requests, in seconds, as one line."""
    # A single time, which has no quantiles in Python's eyes, is its own.
    several = [*seconds, *seconds] if len(seconds) == 1 else seconds
    twentieths = statistics.quantiles(several, n=20, method="inclusive")
    return Timing(
        what=what,
        requests=len(seconds),
        p50_s=statistics.median(seconds),
        p95_s=twentieths[-1],
        most_s=max(seconds),
        per_s=len(seconds) / whole_s,
    )
