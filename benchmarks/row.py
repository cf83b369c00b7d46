"""One row of a table of measurements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """A measure, its bar, and its result.

    Attributes:
        measure: what was measured.
        bar: the required result, in words.
        measured: the result, in words.
        passed: whether it is within the bar; None where there is none.
        details: the figures behind it.
    """

    measure: str
    bar: str
    measured: str
    passed: bool | None
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share))


def milliseconds(values: Sequence[float]) -> dict[str, float]:
    return {
        "count": len(values),
        "p50_ms": round(quantile(values, 0.5) * 1e3, 1),
        "p95_ms": round(quantile(values, 0.95) * 1e3, 1),
        "max_ms": round(max(values) * 1e3, 1),
    }


def clock(seconds: float) -> str:
    """A time with a suitable unit."""
    if seconds < 0.01:
        return f"{seconds * 1e3:.2f} ms"
    if seconds < 1:
        return f"{seconds * 1e3:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| measure | bar | measured | |", "| --- | --- | --- | --- |"]
    for row in rows:
        mark = {True: "met", False: "**missed**", None: ""}[row.passed]
        lines.append(f"| {row.measure} | {row.bar} | {row.measured} | {mark} |")
    return "\n".join(lines)
