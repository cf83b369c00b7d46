"""The measurements as tables in `docs/methods.md`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks import page

PAGE = page.DOCS / "methods.md"
COMMAND = "python -m benchmarks.defaults"

Row = Mapping[str, Any]
Key = tuple[str, int, str, str]
"""Model, frames, method, and its parameters as JSON."""


def write(measured: Mapping[str, Any]) -> list[Path]:
    """Write the tables from the contents of `defaults.json`.

    Returns:
        The files that were written.
    """
    groups: dict[Key, dict[str, Row]] = {}
    for name, row in sorted(measured["rows"].items()):
        model, clip, frames, method, given = name.split(" | ")
        groups.setdefault((model, int(frames), method, given), {})[clip] = row
    page.write_section(PAGE, COMMAND, list(_body(groups, measured["machine"])))
    return [PAGE]


def _body(groups: Mapping[Key, Mapping[str, Row]], machine: Mapping[str, Any]) -> Iterator[str]:
    real = {key: rows for key, rows in groups.items() if "kinetics" in key[0]}
    motion = {key: rows for key, rows in groups.items() if "kinetics" not in key[0]}
    yield "I3D by its number of frames, on real clips whose class it knows:"
    yield ""
    yield "| frames | clips | right | probability of the true class: mean, lowest |"
    yield "| --- | --- | --- | --- |"
    yield from _by_frames(real)
    yield ""
    yield "I3D by method, the class being the one that it predicts:"
    yield ""
    yield from _table("frames", real, lambda key: str(key[1]))
    yield ""
    yield "The small models' Grad-CAM by layer, on held-out clips of Motion:"
    yield ""
    yield from _table("model", motion, lambda key: f"`{key[0]}`")
    yield ""
    yield (
        f"{machine['cpu']}, torch {machine['torch']}. `seconds` are processor time on one core. "
        "`border` is the share of maps with their maximum in the outer 8% of the crop, where 29% "
        "of all pixels lie, and 49% of 7 × 7 cells."
    )


def _by_frames(real: Mapping[Key, Mapping[str, Row]]) -> Iterator[str]:
    known: dict[int, dict[str, Row]] = {}
    for (_, frames, _, _), rows in real.items():
        known.setdefault(frames, {}).update(
            {clip: row for clip, row in rows.items() if row["label"] is not None}
        )
    for frames, rows in sorted(known.items()):
        right = sum(row["top1"] == row["label"] for row in rows.values())
        chances = [row["label_probability"] for row in rows.values()]
        yield f"| {frames} | {len(rows)} | {right} | {fmean(chances):.2f}, {min(chances):.2f} |"


def _table(
    first: str, groups: Mapping[Key, Mapping[str, Row]], name: Callable[[Key], str]
) -> Iterator[str]:
    columns = ("clips", "pointing ↑", "insertion − deletion ↑", "border ↓", "time cells", "seconds")
    yield f"| {first} | method | {' | '.join(columns)} |"
    yield f"| --- | --- |{' --- |' * len(columns)}"
    for key, by_clip in sorted(groups.items()):
        rows = list(by_clip.values())
        given = ", ".join(f"{word}={value}" for word, value in json.loads(key[3]).items())
        cells = (
            str(len(rows)),
            _mean([row["pointing"] for row in rows], 2),
            _mean([_difference(row) for row in rows], 2),
            _mean([float(row["at_border"]) for row in rows], 2),
            str(rows[0]["time_cells"]),
            _mean([row["seconds"] for row in rows], 2),
        )
        yield f"| {name(key)} | `{' '.join((key[2], given)).strip()}` | {' | '.join(cells)} |"


def _difference(row: Row) -> float | None:
    return None if row["insertion"] is None else row["insertion"] - row["deletion"]


def _mean(values: Sequence[float | None], digits: int) -> str:
    known = [value for value in values if value is not None]
    return f"{fmean(known):.{digits}f}" if known else ""
