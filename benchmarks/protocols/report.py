"""The measurements as tables in `docs/methods.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from benchmarks import page
from benchmarks.protocols.measure import ALL_FLOORS, DEMO

PAGE = page.DOCS / "methods.md"
COMMAND = "python -m benchmarks.protocols"

COLUMNS = {
    ("step", "insertion"): "STEP insertion ↑",
    ("step", "deletion"): "STEP deletion ↓",
    ("revex", "insertion"): "REVEX insertion ↑",
    ("revex", "deletion"): "REVEX deletion ↓",
    ("revex", "average_drop"): "average drop, % ↓",
    ("revex", "pointing"): "REVEX pointing ↑",
    ("revex", "iou"): "REVEX IoU ↑",
}

Results = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]


def write(measured: Mapping[str, Any]) -> None:
    """Write the tables from the contents of `protocols.json`."""
    page.write_section(PAGE, COMMAND, list(_body(measured)))


def _body(measured: Mapping[str, Any]) -> Iterator[str]:
    results: Results = measured["results"]
    for model, methods in results.items():
        clips = max(map(len, methods.values()))
        subject = "the demo's clip" if model == DEMO else f"{clips} held-out clips of Motion"
        yield f"`{model}`, {subject}:"
        yield ""
        known = [
            column for column in COLUMNS if any(_values(rows, column) for rows in methods.values())
        ]
        names = sorted(set(methods) - set(ALL_FLOORS), key=lambda name: -_gain(methods[name]))
        yield from _table(
            ("method", *(COLUMNS[column] for column in known)),
            [
                (f"`{name}`", *(_text(_values(methods[name], column)) for column in known))
                for name in [*names, *(floor for floor in ALL_FLOORS if floor in methods)]
            ],
        )
        yield ""
    machine = measured["machine"]
    yield f"{machine['cpu']}, {machine['cores']} cores, torch {machine['torch']}."


def _values(rows: Sequence[Mapping[str, Any]], column: tuple[str, str]) -> list[float]:
    protocol, measure = column
    return [row[protocol][measure] for row in rows if measure in row[protocol]]


def _gain(rows: Sequence[Mapping[str, Any]]) -> float:
    return fmean(_values(rows, ("step", "insertion"))) - fmean(_values(rows, ("step", "deletion")))


def _text(values: Sequence[float]) -> str:
    return f"{fmean(values):.3f}" if values else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"
