"""Rows in a benchmark's file of results: a run replaces those that it measured."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.row import Row

Kept = Mapping[str, Mapping[str, Any]]
"""By key: the fields of a row, `when` it was measured, and the `machine`."""


def keep(measured: Mapping[str, Row], output: Path) -> Kept:
    """Write rows by their keys; all that the file then has."""
    about = {"when": datetime.now(timezone.utc).isoformat(timespec="seconds"), "machine": machine()}
    kept: dict[str, Any] = json.loads(output.read_text("utf-8")) if output.is_file() else {}
    kept |= {key: {**row.to_json(), **about} for key, row in measured.items()}
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    return kept


def as_rows(kept: Kept) -> dict[str, Row]:
    fields = ("measure", "bar", "measured", "passed")
    return {key: Row(*(row[name] for name in fields)) for key, row in kept.items()}


def where_and_when(kept: Iterable[Mapping[str, Any]]) -> str:
    """The machines and days of rows."""
    machines = {
        f"{row['machine']['cores']} cores of {row['machine']['cpu']}, "
        f"torch {row['machine']['torch']}"
        for row in kept
    }
    days = {row["when"][:10] for row in kept}
    return f"{'; '.join(sorted(machines))}; {', '.join(sorted(days))}."
