"""Measure data sets on Ray: `python -m benchmarks.bulk`.

As root, on Linux: Ray's nodes are processes in a network namespace of their own. The figures go to
`benchmarks/results/bulk.json` and `docs/bulk.md`; those of rows that weren't measured are kept.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from benchmarks import page
from benchmarks.bulk.cluster import enter_loopback
from benchmarks.kept import as_rows, keep, where_and_when
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
        kept = keep(measured, output)
        if output == RESULTS:
            lines = [table(list(as_rows(kept).values())), "", where_and_when(kept.values())]
            page.write_section(PAGE, COMMAND, lines)
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


if __name__ == "__main__":
    main()
