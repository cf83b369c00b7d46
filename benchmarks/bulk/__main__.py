"""Measure data sets on Ray: `python -m benchmarks.bulk`.

As root, on Linux: Ray's nodes are processes in a network namespace of their own. The figures go to
`benchmarks/results/bulk.json` and `docs/bulk.md`; those of rows that weren't measured are kept.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from benchmarks import page
from benchmarks.bulk.cluster import enter_loopback
from benchmarks.machine import machine
from benchmarks.row import Row, table

COMMAND = "python -m benchmarks.bulk"
RESULTS = Path(__file__).parents[1] / "results" / "bulk.json"
PAGE = page.DOCS / "bulk.md"
ROWS = ("throughput", "kills", "resumed", "growth", "memory")


@click.command()
@click.option("--rows", default=",".join(ROWS), show_default=True, help="Which to measure.")
@click.option("--clips", type=click.IntRange(6), default=200, show_default=True)
@click.option("--quick", is_flag=True, help="Few clips; nothing is kept.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, help="Kept figures.")
@click.option("--inside", is_flag=True, hidden=True)
def main(rows: str, clips: int, quick: bool, output: Path, inside: bool) -> None:
    """Measure data sets on Ray, and write the figures to the documents."""
    wanted = rows.split(",")
    if unknown := set(wanted) - set(ROWS):
        raise click.UsageError(f"There is no row {', '.join(sorted(unknown))}.")
    if not inside:
        enter_loopback("benchmarks.bulk", sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="videovisual-bulk-") as name:
        measured = measure(wanted, Path(name), 24 if quick else clips, quick=quick)
    print(f"\n{table(list(measured.values()))}\n\n{machine()}")
    if not quick or output != RESULTS:
        keep(measured, output)
    if failed := [row.measure for row in measured.values() if not row.passed]:
        raise click.ClickException(f"missed: {'; '.join(failed)}")


def measure(wanted: list[str], folder: Path, count: int, *, quick: bool) -> dict[str, Row]:
    """The rows by name."""
    # Imported only in the namespace: what Ray finds of the network when it is imported stays.
    from benchmarks.bulk import kills, material, scale  # noqa: PLC0415

    expected = folder / "folder" / material.METHOD / material.MODEL
    clips = folder / "clips"
    if {"throughput", "kills", "resumed"} & set(wanted):
        material.motion_clips(clips, count)
    if {"kills", "resumed"} & set(wanted):
        scale.folder_command(clips, folder / "folder")
    counts = (1000, 10_000) if quick else (1000, 10_000, 100_000)
    measures: dict[str, Callable[[], Row]] = {
        "throughput": lambda: scale.throughput(clips, folder / "timed", folder / "a", count),
        "kills": lambda: kills.killed(clips, expected, folder / "b", count),
        "resumed": lambda: kills.resumed(clips, expected, folder / "c", count),
        "growth": lambda: scale.growth(folder / "d", 40 if quick else 200),
        "memory": lambda: scale.memory(folder / "e", counts),
    }
    measured = {}
    for name in wanted:
        row = measured[name] = measures[name]()
        print(f"{row.measure}: {row.measured}", flush=True)
    return measured


def keep(measured: dict[str, Row], output: Path) -> None:
    """Write the figures, with the earlier ones of other rows, and the table in the documents."""
    about = {"when": datetime.now(timezone.utc).isoformat(timespec="seconds"), "machine": machine()}
    known: dict[str, Any] = json.loads(output.read_text("utf-8")) if output.is_file() else {}
    for name, row in measured.items():
        known[name] = {**row.to_json(), **about}
    kept = {name: known[name] for name in ROWS if name in known}
    output.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    if output == RESULTS:
        fields = ("measure", "bar", "measured", "passed")
        rows = [Row(*(row[name] for name in fields)) for row in kept.values()]
        when = sorted({row["when"][:10] for row in kept.values()})
        where = "; ".join(sorted({_where(row["machine"]) for row in kept.values()}))
        page.write_section(PAGE, COMMAND, [table(rows), "", f"{where}; {', '.join(when)}."])


def _where(facts: dict[str, Any]) -> str:
    return f"{facts['cores']} cores of {facts['cpu']}, torch {facts['torch']}"


if __name__ == "__main__":
    main()
