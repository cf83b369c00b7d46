"""STEP's and REVEX's measurement protocols on Motion and on the demo's clip.

    python -m benchmarks.protocols

Writes `benchmarks/results/protocols.json`, with the SHA-256 of every clip and map, and from it the
tables of `docs/methods.md`. Kept results are not measured again, so an interrupted run can be
continued.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import machine
from benchmarks.protocols import report
from benchmarks.protocols.measure import ALL_FLOORS, DEMO, Bench
from videovisual.attribution import catalogue
from videovisual.zoo.motion import CARDS

RESULTS = Path(__file__).parents[1] / "results" / "protocols.json"
CLIPS = 16

OVERRIDDEN: dict[str, dict[str, Any]] = {"rise": {"masks": 200}, "smooth_grad": {"samples": 10}}
"""Parameters where the default is too slow."""

MODELS = [*(card.name for card in CARDS), DEMO]
METHODS = [
    *ALL_FLOORS,
    *(
        entry.name
        for entry in catalogue.ENTRIES
        if entry.module != "torchray_adapter" and "attention" not in entry.needs
    ),
]


@click.command()
@click.option("--models", default=",".join(MODELS), show_default=True)
@click.option("--methods", default=",".join(METHODS), show_default=True)
@click.option("--clips", default=CLIPS, show_default=True, help="Of Motion's 500 held-out ones.")
@click.option("--fresh", is_flag=True, help="Measure kept results again.")
def main(models: str, methods: str, clips: int, fresh: bool) -> None:
    """Measure every method's maps as STEP and REVEX do."""
    known = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() and not fresh else {}
    results: dict[str, dict[str, Any]] = known.get("results", {})
    weights: dict[str, str] = known.get("weights_sha256", {})
    for model in models.split(","):
        bench = Bench(model, clips)
        weights[model] = bench.classifier.weights_sha256
        kept = results.setdefault(model, {})
        for method in methods.split(","):
            if len(kept.get(method, [])) == len(bench.subjects):
                continue
            kept[method] = list(bench.rows(method, OVERRIDDEN.get(method, {})))
            _write(
                {
                    "machine": machine(),
                    "weights_sha256": weights,
                    "overridden": OVERRIDDEN,
                    "results": results,
                }
            )
            click.echo(f"{model:16} {method}")


def _write(facts: dict[str, Any]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    unfinished = RESULTS.with_suffix(".part")
    unfinished.write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n", "utf-8")
    os.replace(unfinished, RESULTS)
    report.write(facts)


if __name__ == "__main__":
    main()
