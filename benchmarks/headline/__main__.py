"""Measure every figure of the documents, and compare it with the kept one.

    python -m benchmarks.headline [--keep]

All figures are ratios within the run, or scores, so that another machine's speed cancels out. Fails
where a figure fell by more than its kept spread, or is missing. `--keep` writes
`benchmarks/results/headline.json` and its table in `docs/performance-rows.md`; `--keep --join` adds
the run to the kept repetitions, since a machine differs more between runs than within one.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from benchmarks import page
from benchmarks.headline import cost, maps, serving
from benchmarks.headline.figure import FAILURES, Figure, compare, joined, table
from benchmarks.headline.plan import FULL, QUICK, Plan
from benchmarks.machine import machine

RESULTS = Path(__file__).parents[1] / "results" / "headline.json"
COMMAND = "python -m benchmarks.headline"
GROUPS: dict[str, Callable[[Plan], Iterator[Figure]]] = {
    "serving": serving.serving,
    "memory": cost.memory,
    "search": cost.search,
    "grad_cam": cost.grad_cam,
    "integrated_gradients": cost.integrated_gradients,
    "faithfulness": maps.faithfulness,
}


@click.command()
@click.option("--groups", default=",".join(GROUPS), show_default=True, help="Which to measure.")
@click.option("--quick", is_flag=True, help="Small models, few repetitions; nothing is compared.")
@click.option("--keep", is_flag=True, help="Write the figures as the ones to compare with.")
@click.option("--join", is_flag=True, help="With --keep: add to the repetitions that are kept.")
@click.option("--output", type=click.Path(path_type=Path), default=RESULTS, help="Kept figures.")
def main(groups: str, quick: bool, keep: bool, join: bool, output: Path) -> None:
    """Measure the headline figures on two idle cores, in at most twelve minutes."""
    wanted = groups.split(",")
    if unknown := set(wanted) - set(GROUPS):
        raise click.UsageError(f"There is no group {', '.join(sorted(unknown))}.")
    if quick and keep:
        raise click.UsageError("--quick measures other models, so its figures cannot be kept.")
    known = [] if quick else kept(output)
    if not (known or quick or keep):
        raise click.UsageError(f"There are no figures in {output}; keep some with --keep.")
    began = time.monotonic()
    failed: list[str] = []
    now = list(measured(wanted, QUICK if quick else FULL, failed))
    seconds = time.monotonic() - began
    rows = compare([figure for figure in known if figure.group in wanted], now)
    click.echo(f"\n{table(rows)}\n\n{machine()}, {seconds:.0f} s")
    if keep and not failed:
        others = [figure for figure in known if figure.group not in wanted]
        write([*others, *(joined(known, now) if join else now)], seconds, output)
    elif not keep:
        failed += [f"{row.measure}: {row.verdict}" for row in rows if row.verdict in FAILURES]
    if failed:
        raise click.ClickException("; ".join(failed))


def measured(groups: Sequence[str], plan: Plan, failed: list[str]) -> Iterator[Figure]:
    """The groups' figures; a group that raises is added to `failed`, and the next one follows."""
    for group in groups:
        began = time.monotonic()
        try:
            for figure in GROUPS[group](plan):
                values = ", ".join(f"{value:.3g}" for value in figure.values)
                click.echo(f"{figure.measure}: {figure.median:.3g} ({values})")
                yield figure
        except Exception:
            failed.append(f"{group} failed")
            click.echo(traceback.format_exc(), err=True)
        click.echo(f"  {group} took {time.monotonic() - began:.0f} s", err=True)


def kept(path: Path) -> list[Figure]:
    if not path.exists():
        return []
    return [Figure.from_json(each) for each in json.loads(path.read_text("utf-8"))["figures"]]


def write(figures: Sequence[Figure], seconds: float, path: Path) -> None:
    report = {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": machine(),
        "seconds": round(seconds),
        "figures": [figure.to_json() for figure in figures],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if path == RESULTS:
        page.write_section(page.ROWS, COMMAND, list(lines(json.loads(path.read_text("utf-8")))))


def lines(report: Mapping[str, Any]) -> Iterator[str]:
    """The kept figures as Markdown."""
    where = report["machine"]
    yield (
        f"{where['cpu']}, {where['cores']} virtual cores, torch {where['torch']}, "
        f"{report['when'][:10]}; the whole run took {report['seconds']} s."
    )
    yield ""
    yield "| measure | minimum | median | maximum | better |"
    yield "| --- | --- | --- | --- | --- |"
    for each in report["figures"]:
        found = " | ".join(f"{each[name]:.3g}" for name in ("minimum", "median", "maximum"))
        yield f"| {each['measure']} | {found} | {each['better']} |"


if __name__ == "__main__":
    main()
