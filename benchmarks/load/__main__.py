"""Measure a real TorchServe with the motion models: `python -m benchmarks.load`.

Rows: classification under load, throughput, overhead, refusals, disconnects, a killed worker, mixed
load. The figures go to `benchmarks/results/load.json`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

from benchmarks.load import latency, leaving, material, mixed, refusing, throughput
from benchmarks.load.endpoint import Endpoint
from benchmarks.machine import machine
from benchmarks.row import Row, table
from videovisual_client.torchserve import Server

RESULTS = Path(__file__).parents[1] / "results" / "load.json"
ROWS = ("latency", "throughput", "overhead", "refusals", "leavers", "crash", "mixed")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=__doc__)
    parser.add_argument("--models", default="i3d-motion,tsm-motion", help="comma-separated")
    parser.add_argument("--rows", default=",".join(ROWS), help="comma-separated, which to measure")
    parser.add_argument("--minutes", type=float, default=20, help="of mixed load")
    parser.add_argument("--quick", action="store_true", help="few samples, 1 minute of mixed load")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the JSON goes")
    given = parser.parse_args()
    rows = measure(
        given.models.split(","),
        set(given.rows.split(",")),
        minutes=min(given.minutes, 1) if given.quick else given.minutes,
        quick=given.quick,
    )
    where = machine()
    print(f"\n{table(rows)}\n\n{where}")
    given.output.parent.mkdir(parents=True, exist_ok=True)
    report = {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "quick": given.quick,
        "machine": where,
        "rows": [row.to_json() for row in rows],
    }
    given.output.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


def measure(models: list[str], wanted: set[str], *, minutes: float, quick: bool) -> list[Row]:
    rows: list[Row] = []

    def add(row: Row) -> None:
        rows.append(row)
        print(f"{row.measure}: {row.measured}", flush=True)

    samples = 20 if quick else 200
    iterations = 6 if quick else 20
    motion = [material.motion_clip(index) for index in range(8)]
    with tempfile.TemporaryDirectory(prefix="videovisual-load-") as name:
        ours, plain = Path(name, "ours"), Path(name, "plain")
        for model in models:
            material.served(model, ours)
            if "latency" in wanted:
                material.plain(model, plain)
        # One server a model, so that only this model runs.
        for model in models:
            with Server([model], store=ours, port=18100) as server:
                endpoint = Endpoint(server, model)
                if "latency" in wanted:
                    with Server([model], store=plain, port=18200) as other:
                        add(
                            latency.classification_under_load(
                                endpoint,
                                Endpoint(other, model),
                                motion[0],
                                samples=samples,
                                iterations=iterations,
                            )
                        )
                if "throughput" in wanted:
                    for options in (
                        {"method": "step", "iterations": iterations},
                        {"method": "integrated_gradients", "steps": iterations},
                    ):
                        rounds = 1 if quick else 3
                        add(throughput.together(endpoint, motion, rounds=rounds, **options))
                if model == models[0]:
                    for row in _once(endpoint, motion, wanted, minutes=minutes, quick=quick):
                        add(row())
    return rows


def _once(
    endpoint: Endpoint, motion: list[bytes], wanted: set[str], *, minutes: float, quick: bool
) -> list[Callable[[], Row]]:
    """The measures of the first model only."""
    samples, count = (20, 40) if quick else (200, 200)
    measures: dict[str, Callable[[], Row]] = {
        "overhead": lambda: latency.overhead(endpoint, material.video(), samples=samples),
        "refusals": lambda: refusing.refusals(endpoint, motion[0], samples=samples),
        "leavers": lambda: leaving.leavers(endpoint, motion[0], count=count),
        "crash": lambda: leaving.crash(endpoint, motion[0], material.video()),
        "mixed": lambda: mixed.mixed(endpoint, motion[:2], minutes=minutes),
    }
    return [row for name, row in measures.items() if name in wanted]


if __name__ == "__main__":
    main()
