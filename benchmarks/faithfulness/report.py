"""The measurements as tables and a chart in `docs/methods.md`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from benchmarks import page
from benchmarks.faithfulness.floors import FLOORS

PAGE = page.DOCS / "methods.md"
CHART = page.DOCS / "images" / "faithfulness.svg"
COMMAND = "python -m benchmarks.faithfulness"

COLUMNS = {
    "pointing": "pointing ↑",
    "iou": "IoU ↑",
    "insertion": "insertion ↑",
    "deletion": "deletion ↓",
    "difference": "insertion − deletion ↑",
    "sensitivity_n": "sensitivity-n ↑",
    "sufficiency": "sufficiency ↑",
    "necessity": "necessity ↑",
    "saco": "SaCo ↑",
    "similarity": "randomised",
    "relative_delta": "incomplete",
    "achieved_area": "area",
    "seconds": "seconds",
}

Results = Mapping[str, Mapping[str, Mapping[str, Any]]]


def write(measured: Mapping[str, Any]) -> list[Path]:
    """Write tables and chart from the contents of `faithfulness.json`.

    Returns:
        The files that were written.
    """
    results = _with_differences(measured["results"])
    page.write_section(PAGE, COMMAND, list(_body(measured, results)))
    _chart(results)
    return [PAGE, CHART]


def _with_differences(results: Results) -> dict[str, dict[str, dict[str, Any]]]:
    return {
        model: {
            method: {**row, "difference": row["insertion"] - row["deletion"]}
            if "insertion" in row
            else dict(row)
            for method, row in rows.items()
        }
        for model, rows in results.items()
    }


def _methods(results: Results) -> list[str]:
    """Methods by their mean pointing score, best first, and then the floors.

    Those that were measured on fewer models come after the others, since their means are of others.
    """
    names = {method for rows in results.values() for method in rows}

    def order(name: str) -> tuple[int, float]:
        return -len(_models(results, name)), -_mean(results, name, "pointing")

    return [*sorted(names - set(FLOORS), key=order), *FLOORS]


def _models(results: Results, method: str) -> list[str]:
    """The models of which the method has maps."""
    return [model for model, rows in results.items() if "pointing" in rows.get(method, ())]


def _values(results: Results, method: str, column: str) -> list[float]:
    rows = [results[model][method] for model in _models(results, method)]
    return [row[column] for row in rows if row.get(column) is not None]


def _mean(results: Results, method: str, column: str) -> float:
    return fmean(_values(results, method, column) or [float("nan")])


def _body(measured: Mapping[str, Any], results: Results) -> Iterator[str]:
    machine = measured["machine"]
    yield "Means over the models of which a method has maps:"
    yield ""
    known = [
        column
        for column in COLUMNS
        if any(_values(results, method, column) for method in _methods(results))
    ]
    yield from _table(
        ("method", "models", *(COLUMNS[column] for column in known)),
        [
            (
                f"`{method}`",
                str(len(_models(results, method))),
                *(_text(_values(results, method, column)) for column in known),
            )
            for method in _methods(results)
        ],
    )
    yield ""
    caption = "Pointing game and insertion − deletion of every method"
    yield f"![{caption}]({CHART.parent.name}/{CHART.name})"
    for title, column in (("Pointing", "pointing"), ("Insertion − deletion", "difference")):
        yield ""
        yield f"{title}, model by model:"
        yield ""
        yield from _table(
            ("method", *(f"`{model}`" for model in results)),
            [
                (f"`{method}`", *(_cell(rows.get(method, {}), column) for rows in results.values()))
                for method in _methods(results)
            ],
        )
    yield ""
    yield (
        f"{_clips(results)} held-out clips a model. {machine['cpu']}, {machine['cores']} cores, "
        f"torch {machine['torch']}; `seconds` are one core's, eight clips at once."
    )


def _clips(results: Results) -> str:
    """How many clips were measured, as words."""
    counts = sorted({row["clips"] for rows in results.values() for row in rows.values()})
    return " to ".join(str(count) for count in dict.fromkeys((counts[0], counts[-1])))


def _cell(row: Mapping[str, Any], column: str) -> str:
    """A measure; empty where the method was not measured."""
    if "refused" in row:
        return "refused"
    return _text([row[column]] if column in row else [])


def _text(values: Sequence[float]) -> str:
    return f"{fmean(values):.3f}" if values else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for row in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(row)} |"


def _chart(results: Results) -> None:
    """A dot for each model in each method's line, and a bar for their mean."""
    mpl.rcParams["svg.hashsalt"] = "videovisual"
    methods = _methods(results)[::-1]
    titles = {"pointing": "pointing game", "difference": "insertion − deletion"}
    figure, axes = plt.subplots(1, 2, figsize=(10, 0.32 * len(methods) + 1.2), sharey=True)
    for axis, (column, title) in zip(axes, titles.items(), strict=True):
        means = [_mean(results, method, column) for method in methods]
        colours = ["#bbbbbb" if method in FLOORS else "#e8b07a" for method in methods]
        axis.barh(methods, means, color=colours, height=0.7)
        for model, rows in results.items():
            known = [method for method in methods if "pointing" in rows.get(method, ())]
            dots = [rows[method][column] for method in known]
            axis.plot(dots, known, "o", markersize=4, label=model)
        axis.set_title(title, fontsize=10)
        axis.grid(axis="x", alpha=0.3)
    axes[0].legend(fontsize=7, loc="lower right")
    figure.tight_layout()
    CHART.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(CHART, metadata={"Date": None})
    plt.close(figure)
