"""The quick descents against the published ones, on held-out clips of Motion.

    python -m benchmarks.quality

Writes `benchmarks/results/quality.json`; `--presets gpu` measures `quick` on a GPU. A published
search takes 2,000 iterations a clip. Kept results are not measured again, so an interrupted run can
be continued.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import machine
from benchmarks.quality.measure import METHODS, Task, measure
from benchmarks.quality.summary import summarise
from videovisual.zoo.motion import CARDS

RESULTS = Path(__file__).parents[1] / "results" / "quality.json"
CLIPS = 16
MODELS = [card.name for card in CARDS]


@click.command()
@click.option("--models", default=",".join(MODELS), show_default=True)
@click.option("--methods", default=",".join(METHODS), show_default=True)
@click.option("--presets", default="quick,bfloat16,reference", show_default=True)
@click.option("--clips", default=CLIPS, show_default=True, help="Of the 500 held-out ones.")
@click.option("--workers", default=os.cpu_count(), show_default=True, help="One thread each.")
@click.option("--fresh", is_flag=True, help="Measure kept results again.")
def main(models: str, methods: str, presets: str, clips: int, workers: int, fresh: bool) -> None:
    """Compare quick searches' objectives and probabilities with the published ones'."""
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    results: dict[str, Any] = known.get("results", {})
    machines: dict[str, Any] = known.get("machines", {})
    wanted = [
        Task(model, method, preset, clip)
        for model in models.split(",")
        for clip in range(clips)
        for method in methods.split(",")
        for preset in presets.split(",")
        if fresh or str(clip) not in _of(results, model, method, preset)
    ]
    _measure(wanted, workers, machines, results)
    for model, method, preset, words in summarise(results):
        click.echo(f"{model:16} {method:6} {preset:8} {words}")


def _measure(
    wanted: Sequence[Task], workers: int, machines: dict[str, Any], results: dict[str, Any]
) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        tasks = {pool.submit(measure, task): task for task in wanted}
        for done in as_completed(tasks):
            task, found = tasks[done], done.result()
            _of(results, task.model, task.method, task.preset)[str(task.clip)] = asdict(found)
            machines[task.preset] = machine()
            _write({"machines": machines, "results": results})
            click.echo(f"{task.model} {task.method} {task.preset}: {found}")


def _of(results: dict[str, Any], model: str, method: str, preset: str) -> dict[str, Any]:
    here: dict[str, Any] = results.setdefault(model, {}).setdefault(method, {})
    found: dict[str, Any] = here.setdefault(preset, {})
    return found


def _write(results: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    unfinished = RESULTS.with_suffix(".part")
    unfinished.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", "utf-8")
    os.replace(unfinished, RESULTS)


if __name__ == "__main__":
    main()
