"""The command `videovisual bench`."""

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import click

from videovisual.errors import VideoVisualError
from videovisual_client.commands.explaining import known, of_methods
from videovisual_client.commands.options import (
    CommandClip,
    Place,
    clip_command,
    given,
    method_option,
    one_or_all,
    with_method,
)
from videovisual_client.many import concurrently
from videovisual_client.result import Classification
from videovisual_client.terminal import bar, out, print_json, table


@dataclass(frozen=True)
class Timing:
    """How long one kind of request took.

    Attributes:
        what: `classify`, or a method.
        requests: how many were timed.
        p50_s, p95_s, most_s: from request to answer, in seconds.
        per_s: answers per second, of all concurrent requests together.
    """

    what: str
    requests: int
    p50_s: float
    p95_s: float
    most_s: float
    per_s: float


@clip_command(
    method_option,
    with_method,
    click.option("--requests", type=click.IntRange(1), default=20, show_default=True),
    click.option(
        "--warm-up", type=click.IntRange(0), default=2, show_default=True, help="Untimed."
    ),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 256),
        default=1,
        show_default=True,
        help="Requests at once.",
    ),
)
def bench(
    clip: CommandClip,
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

    The times include upload, decoding, queueing and the download of the answer.

    \b
    Examples: videovisual bench clip.mp4 --model i3d-kinetics400 --method grad_cam
              videovisual bench clip.mp4 --model i3d-kinetics400 --method step --requests 5 --local
              videovisual bench clip.mp4 --model i3d-kinetics400 --concurrency 16 --json
    """
    methods = known(method) if method else []
    sampling = {
        name: options[name] for name in ("frames", "start_s", "end_s", "as_shown", "timeout_s")
    }
    named = [name for name in options["target"] if name != "top1"]
    unused = given({**options, "target": named or None}).keys() - sampling.keys() - {"top_k"}
    if unused and not methods:
        raise click.UsageError(f"{min(unused)} is for an explanation: add --method.")
    sampling["top_k"] = options["top_k"]
    with place.open() as client:
        requests_of: dict[str, Callable[[], Classification]] = {
            "classify": partial(client.classify, clip, model=model, **given(sampling))
        }
        for name in methods:
            fields = given(of_methods([name], methods, options))
            fields["target"] = one_or_all(options["target"])
            requests_of[name] = partial(client.explain, clip, model=model, method=name, **fields)
        timings = [
            _time(what, send, requests, warm_up, concurrency) for what, send in requests_of.items()
        ]
    where = "local" if place.local else place.url
    if as_json:
        run = {"model": model, "clip": str(clip), "where": where, "concurrency": concurrency}
        print_json({**run, "timings": [asdict(timing) for timing in timings]})
        return
    rows = table("", "requests", "p50", "p95", "most", "a second")
    for timing in timings:
        shown = [f"{1000 * s:.1f} ms" for s in (timing.p50_s, timing.p95_s, timing.most_s)]
        rows.add_row(timing.what, str(timing.requests), *shown, f"{timing.per_s:.2f}")
    out.print(rows)
    out.print(f"{model} at {where}, {concurrency} at once", soft_wrap=True)


def _time(
    what: str, send: Callable[[], object], requests: int, warm_up: int, concurrency: int
) -> Timing:
    """Raises the first error, because the time of a failed request means nothing."""

    def timed(_: int) -> float:
        began = time.perf_counter()
        send()
        return time.perf_counter() - began

    for _ in range(warm_up):
        send()
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


def summarise(what: str, seconds: Sequence[float], total_s: float) -> Timing:
    """The statistics of single requests, each in seconds, that took `total_s` together."""
    # `quantiles` needs two values at least.
    values = [*seconds, *seconds] if len(seconds) == 1 else seconds
    return Timing(
        what=what,
        requests=len(seconds),
        p50_s=statistics.median(seconds),
        p95_s=statistics.quantiles(values, n=20, method="inclusive")[-1],
        most_s=max(seconds),
        per_s=len(seconds) / total_s,
    )
