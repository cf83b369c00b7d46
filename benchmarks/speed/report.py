"""The measurements as a table and a chart in `docs/performance.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from benchmarks.row import Row, table

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "performance.md"
CHART = DOCS / "images" / "performance.svg"
BEGIN = {
    "cpu": "<!-- measured: python -m benchmarks.speed -->",
    "cuda": "<!-- measured: python -m benchmarks.speed --device cuda -->",
}
END = "<!-- end of measured -->"

OURS, THEIRS = "#e8b07a", "#9aa7b5"


def write(measured: Mapping[str, Any], device: str) -> list[Path]:
    """Write a device's part of the page anew from the contents of its JSON, of a processor the
    chart too.

    Returns:
        The files that were written.
    """
    rows = [Row(**row) for row in measured["rows"]]
    head, _, rest = PAGE.read_text("utf-8").partition(BEGIN[device])
    _, _, tail = rest.partition(END)
    body = "\n".join([BEGIN[device], "", *_body(measured, rows, device), "", END])
    PAGE.write_text(f"{head}{body}{tail}", "utf-8")
    if device != "cpu":
        return [PAGE]
    _chart(rows)
    return [PAGE, CHART]


def _body(measured: Mapping[str, Any], rows: Sequence[Row], device: str) -> Iterator[str]:
    machine = measured["machine"]
    if device == "cpu":
        yield f"![Searches and passes, ours and others']({CHART.parent.name}/{CHART.name})"
        yield ""
    gpu = f"{machine['gpu']}; " if "gpu" in machine else ""
    yield (
        f"{gpu}{machine['cpu']}, {machine['cores']} virtual cores, {machine['threads']} threads, "
        f"torch {machine['torch']}, {measured['when'][:10]}."
    )
    yield ""
    yield table(rows)


def _of(rows: Sequence[Row], words: str) -> dict[str, Row]:
    """The rows of a measure by model."""
    return {
        row.measure.partition(":")[0]: row
        for row in rows
        if row.measure.partition(": ")[2] == words
    }


def _chart(rows: Sequence[Row]) -> None:
    """How long a search takes, and at which part of the machine's rate a network runs."""
    mpl.rcParams["svg.hashsalt"] = "videovisual"
    figure, axes = plt.subplots(1, 3, figsize=(13, 4))
    for axis, method in zip(axes, ("ep_3d", "step"), strict=False):
        found = _of(rows, f"`{method}` by default against the published search")
        seconds = {model: row.details["seconds"] for model, row in found.items()}
        _bars(axis, {model: (each["ours"], each["published"]) for model, each in seconds.items()})
        axis.set_xscale("log")
        axis.set_title(f"{method}: seconds a clip", fontsize=10)
        axis.legend(["default", "published, textbook"], fontsize=7)
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
