"""`python -m benchmarks.speed`: what explanations cost, beside Captum and the published searches.

Prints the table and keeps the figures in `benchmarks/results/speed.json`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import click
import torch

from benchmarks.machine import machine
from benchmarks.row import Row, table
from benchmarks.speed import gradients, network, perturbation
from benchmarks.speed.subject import Subject
from videovisual.zoo.motion import CARDS

RESULTS = Path(__file__).parents[1] / "results" / "speed.json"
LARGE = ("r3d-kinetics400", "mc3-kinetics400", "r2plus1d-kinetics400", "i3d-kinetics400")
SMALL = tuple(card.name for card in CARDS)
ROWS = ("rate", "share", "iteration", "gradients", "memory", "whole")


@click.command()
@click.option("--models", default=",".join([*SMALL, *LARGE]), show_default=True)
@click.option("--rows", default=",".join(ROWS), show_default=True, help="Which to measure.")
@click.option("--rounds", default=3, show_default=True, help="Turns of which the median is taken.")
@click.option("--threads", type=int, help="Of torch's; all cores by default.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(models: str, rows: str, rounds: int, threads: int | None, output: Path) -> None:
    """Measure what explanations cost on this machine's processor."""
    if threads is not None:
        torch.set_num_threads(threads)
    found = []
    for row in _rows(models.split(","), set(rows.split(",")), rounds):
        click.echo(f"{row.measure}: {row.measured}")
        found.append(row)
    where = machine() | {"threads": torch.get_num_threads()}
    click.echo(f"\n{table(found)}\n\n{where}")
    report = {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": where,
        "rows": [row.to_json() for row in found],
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def _rows(models: list[str], wanted: set[str], rounds: int) -> Iterator[Row]:
    for name in models:
        subject = Subject.of(name)
        real = name == "i3d-kinetics400"
        if "rate" in wanted:
            yield network.rate(subject, rounds=rounds)
        if "share" in wanted:
            iterations = 3 if name in LARGE else 20
            yield network.share(subject, "ep_3d", iterations=iterations)
            yield network.share(subject, "step", iterations=iterations)
        if "iteration" in wanted:
            yield perturbation.iteration(subject, bar=3.5 if real else None, rounds=rounds)
        if "gradients" in wanted and (real or name in SMALL):
            yield from gradients.integrated_gradients(subject, rounds=rounds)
            yield gradients.grad_cam(subject, rounds=rounds)
        if real and "memory" in wanted:
            yield perturbation.memory(name)
        if real and "whole" in wanted:
            yield perturbation.whole(subject, minutes=4)


if __name__ == "__main__":
    main()
