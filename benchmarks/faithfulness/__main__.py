"""The faithfulness of all methods on the small trained models and held-out clips of Motion.

    python -m benchmarks.faithfulness

Writes `benchmarks/results/faithfulness.json`, and from it the tables and the chart of
`docs/methods.md`. Kept results are not measured again, so an interrupted run can be continued.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import click

from benchmarks.faithfulness import report
from benchmarks.faithfulness.floors import FLOORS
from benchmarks.faithfulness.measure import Score, Task, measure
from benchmarks.faithfulness.summary import Row, summarise
from benchmarks.machine import machine
from videovisual.attribution import catalogue
from videovisual.zoo.motion import CARDS

RESULTS = Path(__file__).parents[1] / "results" / "faithfulness.json"
CLIPS = 64
RANDOMISED = 8
CHUNK = 16

OVERRIDDEN: dict[str, dict[str, Any]] = {"rise": {"masks": 200}, "ep_3d": {"preset": "quick"}}
"""Parameters in place of the defaults, which are too slow for all clips."""

MODELS = [card.name for card in CARDS]
METHODS = [
    *FLOORS,
    *(entry.name for entry in catalogue.ENTRIES if entry.module != "torchray_adapter"),
]
"""All methods of our own."""


@click.command()
@click.option("--models", default=",".join(MODELS), show_default=True)
@click.option("--methods", default=",".join(METHODS), show_default=True)
@click.option("--clips", default=CLIPS, show_default=True, help="Of the 500 held-out ones.")
@click.option("--workers", default=os.cpu_count(), show_default=True, help="One thread each.")
@click.option("--fresh", is_flag=True, help="Measure kept results again.")
@click.option("--documents/--no-documents", default=True, help="Write tables and chart.")
def main(models: str, methods: str, clips: int, workers: int, fresh: bool, documents: bool) -> None:
    """Measure how faithful every method's maps are."""
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() and not fresh else {}
    results: dict[str, dict[str, Any]] = known.get("results", {})
    wanted = [
        (model, method)
        for model in models.split(",")
        for method in methods.split(",")
        if results.get(model, {}).get(method, {}).get("clips") != clips
    ]
    for (model, method), row in _measured(wanted, clips, workers):
        results.setdefault(model, {})[method] = row
        _write({"machine": machine(), "overridden": OVERRIDDEN, "results": results})
        click.echo(f"{model:16} {method:22} {json.dumps(row)}")
    if documents:
        for path in report.write(json.loads(RESULTS.read_text("utf-8"))):
            click.echo(f"wrote {path}")


def _measured(
    wanted: Sequence[tuple[str, str]], clips: int, workers: int
) -> Iterator[tuple[tuple[str, str], Row]]:
    """Each model and method with its row, once it is complete."""
    chunks = [range(start, min(start + CHUNK, clips)) for start in range(0, clips, CHUNK)]
    found: dict[tuple[str, str], list[Score]] = {pair: [] for pair in wanted}
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        tasks = {
            pool.submit(measure, _task(model, method, chunk, len(chunks))): (model, method)
            for model, method in wanted
            for chunk in chunks
        }
        for done in as_completed(tasks):
            pair = tasks[done]
            scores = done.result()
            if not scores and pair in found:
                del found[pair]
                yield pair, {"clips": clips, "refused": True}
            elif scores:
                found[pair] += scores
                if len(found[pair]) == clips:
                    yield pair, summarise(sorted(found[pair], key=lambda score: score.clip))


def _task(model: str, method: str, chunk: range, chunks: int) -> Task:
    given = tuple(OVERRIDDEN.get(method, {}).items())
    return Task(model, method, tuple(chunk), -(-RANDOMISED // chunks), given)


def _write(results: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    unfinished = RESULTS.with_suffix(".part")
    unfinished.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", "utf-8")
    os.replace(unfinished, RESULTS)


if __name__ == "__main__":
    main()
