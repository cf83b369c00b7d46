"""The measurements as a table and a chart in the documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks import page
from benchmarks.row import Row, table

CHART = page.DOCS / "images" / "performance.svg"
COMMANDS = {"cpu": "python -m benchmarks.speed", "cuda": "python -m benchmarks.speed --device cuda"}

OURS, THEIRS = "#e8b07a", "#9aa7b5"


def write(measured: Mapping[str, Any], device: str) -> list[Path]:
    """Write a device's section of the page, and on a processor the chart.

    Returns:
        The files that were written.
    """
    lines: list[str] = []
    for run in measured["runs"]:
        lines += [_facts(run), "", table(rows_of(run)), ""]
    page.write_section(page.ROWS, COMMANDS[device], lines[:-1])
    if device != "cpu":
        return [page.ROWS]
    _chart([row for run in measured["runs"] for row in rows_of(run)])
    return [page.ROWS, CHART]


def rows_of(run: Mapping[str, Any]) -> list[Row]:
    return [Row(**row) for row in run["rows"]]


def _facts(run: Mapping[str, Any]) -> str:
    where = run["machine"]
    gpu = f"{where['gpu']}; " if "gpu" in where else ""
    return (
        f"{gpu}{where['cpu']}, {where['cores']} virtual cores, {where['threads']} threads, "
        f"torch {where['torch']}, {run['when'][:10]}."
    )


def _of(rows: Sequence[Row], words: str) -> dict[str, Row]:
    """The rows of a measure by model."""
    return {
        row.measure.partition(":")[0]: row
        for row in rows
        if row.measure.partition(": ")[2] == words
    }


def _chart(rows: Sequence[Row]) -> None:
    """Seconds of whole searches, and the networks' shares of a matrix product's rate."""
    mpl.rcParams["svg.hashsalt"] = "videovisual"
    figure, axes = plt.subplots(1, 3, figsize=(13, 4))
    for axis, method in zip(axes, ("ep_3d", "step"), strict=False):
        found = _of(rows, f"`{method}` by default against the published search")
        seconds = {model: row.details["seconds"] for model, row in found.items()}
        _bars(axis, {model: (each["ours"], each["published"]) for model, each in seconds.items()})
        axis.set_xscale("log")
        axis.set_xlim(left=0.1)
        axis.set_title(f"{method}: seconds a clip", fontsize=10)
        axis.legend(["ours", "published, reference implementation"], fontsize=7)
    passes = _of(rows, "forward and backward over the rate of a matrix product")
    shares = {model: row.details["share"] for model, row in passes.items()}
    _bars(
        axes[2],
        {model: (100 * each["ours"], 100 * each["torch"]) for model, each in shares.items()},
    )
    axes[2].set_title("passes: % of a matrix product's rate", fontsize=10)
    axes[2].legend(["ours", "torch alone"], fontsize=7)
    figure.tight_layout()
    CHART.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(CHART, metadata={"Date": None})
    plt.close(figure)


def _bars(axis: Axes, pairs: Mapping[str, tuple[float, float]]) -> None:
    places = range(len(pairs), 0, -1)
    for shift, column, colour in ((0.2, 0, OURS), (-0.2, 1, THEIRS)):
        values = [pair[column] for pair in pairs.values()]
        axis.barh([place + shift for place in places], values, height=0.38, color=colour)
    axis.set_yticks(list(places), list(pairs), fontsize=8)
    axis.grid(axis="x", alpha=0.3)
