"""The cost of explanations, against Captum, TorchRay and the published searches.

    python -m benchmarks.speed [--device cuda]

Prints a table and merges its rows into `benchmarks/results/speed.json` (`speed-gpu.json`), which
has a run for each machine. From that file it writes the tables of `docs/performance-rows.md` and
the chart of `docs/performance.md`. `benchmarks/results/quality.json` has the searches' quality.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click
import torch

from benchmarks.machine import machine
from benchmarks.quality.summary import Comparison, compare
from benchmarks.row import Row, table
from benchmarks.speed import autograd, generator, gradients, network, perturbation, report, together
from benchmarks.speed.subject import TRANSFORMER, Subject
from videovisual.zoo.motion import CARDS

FOLDER = Path(__file__).parents[1] / "results"
RESULTS = {"cpu": FOLDER / "speed.json", "cuda": FOLDER / "speed-gpu.json"}
QUALITY = FOLDER / "quality.json"
LARGE = ("r3d-kinetics400", "mc3-kinetics400", "r2plus1d-kinetics400", "i3d-kinetics400")
SMALL = tuple(card.name for card in CARDS)
ROWS = ("masks", "rate", "share", "search", "wall", "gradients", "together", "memory")
FASTER = {"ep_3d": 20.0, "step": 8.0}
I3D = "i3d-kinetics400"
LONGEST = {"cpu": {I3D: 240.0}, "cuda": {"r2plus1d-kinetics400": 3.0, I3D: 6.0}}
"""The limit of a default search, in seconds."""

Quality = Mapping[str, Any]
"""`results` of `quality.json`: model → method → preset → clip."""


@click.command()
@click.option("--models", default=",".join([*SMALL, *LARGE, TRANSFORMER]), show_default=True)
@click.option("--rows", default=",".join(ROWS), show_default=True, help="Which to measure.")
@click.option("--rounds", default=3, show_default=True, help="Turns, of which the median counts.")
@click.option("--threads", type=int, help="Of torch's; all cores by default.")
@click.option("--device", type=click.Choice(list(RESULTS)), default="cpu", show_default=True)
@click.option("--output", type=click.Path(path_type=Path), help="By default in benchmarks/results.")
@click.option("--documents/--no-documents", default=True, help="Write tables and chart.")
@click.option(
    "--again", is_flag=True, help="Measure nothing; judge kept rows by the quality known now."
)
def main(
    models: str,
    rows: str,
    rounds: int,
    threads: int | None,
    device: str,
    output: Path | None,
    documents: bool,
    again: bool,
) -> None:
    """Measure the cost of explanations on this machine's processor, or on its GPU."""
    output = output or RESULTS[device]
    quality = json.loads(QUALITY.read_text("utf-8"))["results"] if QUALITY.exists() else {}
    if again:
        measured = json.loads(output.read_text("utf-8"))
        for run in measured["runs"]:
            run["rows"] = [_again(row, quality) for row in run["rows"]]
        _write(measured, output)
    else:
        if threads is not None:
            torch.set_num_threads(threads)
        measure = {"cpu": _rows, "cuda": _gpu_rows}[device]
        found = measure(models.split(","), set(rows.split(",")), rounds, quality)
        measured = _measured(found, output)
    if documents:
        for path in report.write(measured, device):
            click.echo(f"wrote {path}")


def _measured(rows: Iterator[Row], output: Path) -> dict[str, Any]:
    """The kept report with each row merged, which is printed and written once it is measured."""
    found: list[Row] = []
    here = machine() | {"threads": torch.get_num_threads()}
    measured: dict[str, Any] = (
        json.loads(output.read_text("utf-8")) if output.exists() else {"runs": []}
    )
    for row in rows:
        click.echo(f"{row.measure}: {row.measured}")
        found.append(row)
        merge(measured["runs"], row.to_json(), here)
        _write(measured, output)
    click.echo(f"\n{table(found)}\n\n{here}")
    return measured


def merge(runs: list[dict[str, Any]], row: dict[str, Any], here: Mapping[str, Any]) -> None:
    """Replace a row in the run of this machine, and remove it from those of others."""
    when = datetime.now(timezone.utc).isoformat(timespec="seconds")
    if here not in [run["machine"] for run in runs]:
        runs.append({"when": when, "machine": here, "rows": []})
    for run in runs:
        measures = [each["measure"] for each in run["rows"]]
        known = measures.index(row["measure"]) if row["measure"] in measures else None
        if run["machine"] != here:
            if known is not None:
                del run["rows"][known]
        elif known is not None:
            run["rows"][known] = row
            run["when"] = when
        else:
            run["rows"].append(row)
            run["when"] = when
    runs[:] = [run for run in runs if run["rows"]]


def _write(measured: dict[str, Any], output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")


def _again(row: dict[str, Any], quality: Quality) -> dict[str, Any]:
    details = row["details"]
    if "each" not in details:
        return row
    return perturbation.judged(details, _quality(quality, details)).to_json()


def _rows(models: list[str], wanted: set[str], rounds: int, quality: Quality) -> Iterator[Row]:
    if "masks" in wanted:
        yield generator.masks(112, 11, "cpu", rounds=rounds)
        yield generator.masks(224, 23, "cpu", rounds=rounds)
    for name in models:
        subject = Subject.of(name, "cpu")
        if name == TRANSFORMER:
            yield from _transformer(subject, wanted, rounds)
            continue
        if "rate" in wanted:
            yield network.rate(subject, rounds=rounds)
            if (row := network.reduced_rate(subject, rounds=rounds)) is not None:
                yield row
        if "share" in wanted:
            for method in FASTER:
                yield perturbation.share(subject, method, count=3 if name in LARGE else 20)
        if "search" in wanted:
            for method in FASTER:
                yield from _searches(subject, method, quality, rounds)
        if "wall" in wanted and name in LONGEST["cpu"]:
            yield perturbation.wall(subject, LONGEST["cpu"][name])
        if "gradients" in wanted and subject.trained:
            # One turn of a large network takes minutes and varies little.
            turns = rounds if name in SMALL else 1
            yield from gradients.integrated_gradients(subject, rounds=turns)
            yield gradients.grad_cam(subject, rounds=rounds)
        if "memory" in wanted and name == I3D:
            yield perturbation.memory(name, "cpu")


def _transformer(subject: Subject, wanted: set[str], rounds: int) -> Iterator[Row]:
    """A network of a user's own, for which there is no published search."""
    if "share" in wanted:
        yield perturbation.share(subject, "ep_3d", count=2)
    if "search" in wanted:
        yield autograd.iteration(subject, "ep_3d", rounds=rounds)


def _searches(subject: Subject, method: str, quality: Quality, rounds: int) -> Iterator[Row]:
    real = subject.name == I3D
    ep_3d = method == "ep_3d"
    bar = 3.5 if real and ep_3d else None
    each = perturbation.iteration(subject, method, "reference", bar=bar, rounds=rounds)
    yield each
    if bar is not None:
        yield perturbation.iteration(subject, method, "quick", bar=bar, rounds=rounds)
    details = perturbation.against(
        perturbation.searched(subject, method),
        each.details["iteration_s"]["reference"],
        bar=50 if real and ep_3d else FASTER[method],
    )
    yield perturbation.judged(details, _quality(quality, details))


def _gpu_rows(models: list[str], wanted: set[str], rounds: int, quality: Quality) -> Iterator[Row]:
    """Ours alone, except for masks: our cuDNN settings hold for the whole process, and would make
    some passes of the others eight times as long."""
    if "masks" in wanted:
        yield generator.masks(112, 11, "cuda", rounds=rounds)
        yield generator.masks(224, 23, "cuda", rounds=rounds)
    for name in models:
        subject = Subject.of(name, "cuda")
        if "rate" in wanted and (row := network.reduced_rate(subject, rounds=rounds)) is not None:
            yield row
        if "search" in wanted:
            for method in FASTER:
                details = perturbation.searched(subject, method)
                yield perturbation.judged(details, _quality(quality, details))
        if "wall" in wanted and name in LONGEST["cuda"]:
            yield perturbation.wall(subject, LONGEST["cuda"][name])
        if "gradients" in wanted and subject.trained:
            for method in gradients.METHODS:
                yield gradients.alone(subject, method, rounds=rounds)
        if "together" in wanted:
            for method in together.GIVEN:
                yield together.together(subject, method, rounds=rounds)
        if "memory" in wanted and name == I3D:
            yield perturbation.memory(name, "cuda")


def _quality(quality: Quality, details: Mapping[str, Any]) -> Comparison | None:
    """Quality of the small model of the same family, whose published searches are affordable."""
    small = f"{details['model'].partition('-')[0]}-motion"
    return compare(quality.get(small, {}).get(details["method"], {}), details["preset"])


if __name__ == "__main__":
    main()
