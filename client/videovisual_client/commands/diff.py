"""The command `videovisual diff`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.markup import escape

from videovisual.utils.files import check_writable, write_whole
from videovisual.utils.text import shown
from videovisual_client import exits
from videovisual_client.collection import NamedClip
from videovisual_client.commands import dataset
from videovisual_client.commands.dataset import DatasetOptions, with_dataset
from videovisual_client.commands.options import complete_models, pair
from videovisual_client.dataset import Dataset, Findings
from videovisual_client.errors import InvalidRequest
from videovisual_client.terminal import log, number, out, print_json, table

if TYPE_CHECKING:
    from videovisual.diff import Comparison, Diff, Thresholds
    from videovisual.zoo import Classifier

RESULTS = "diff"
DEFAULT = "grad_cam"
SHOWN = 20
"""Clips that are printed; the page has more, and the JSON all."""


def _flips(_context: click.Context, _parameter: click.Parameter, text: str | None) -> str | None:
    """A number of clips, or a share of them with `%`."""
    if text is None or re.fullmatch(r"\d+|(\d{1,2}(\.\d+)?|100)%", text):
        return text
    raise click.BadParameter(f"{shown(text)!r} is neither a number of clips nor a share as 2%")


@click.command(epilog=exits.TABLE)
@click.argument("old", shell_complete=complete_models)
@click.argument("new", shell_complete=complete_models)
@with_dataset
@click.option("--new-device", help="Where NEW runs, if elsewhere than OLD (--device).")
@click.option(
    "--new-param",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter for NEW, instead of OLD's (-p).",
)
@click.option(
    "--max-flips",
    callback=_flips,
    metavar="N|N%",
    help="The most answers that may flip: a number, or a share (2%).",
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(-1, 1),
    help="The least mean rank correlation of the maps whose answer stayed.",
)
def diff(
    old: str,
    new: str,
    options: DatasetOptions,
    new_device: str | None,
    new_param: tuple[str, ...],
    max_flips: str | None,
    min_agreement: float | None,
) -> None:
    """Compare two models over CLIPS, a folder of clips: answers, confidence and maps.

    OLD and NEW are models, or files of archives: two versions, trainings or devices. Lists the
    answers that flipped, the confidence that moved, and the maps for the same answer that moved
    (--method; `grad_cam` unless given). The report diff.html, diff.json and diff.xml (JUnit) go to
    OUTPUT/diff/OLD..NEW. With --max-flips or --min-agreement the command is a gate, and exits with
    9 where one doesn't hold. A command that was stopped continues when it is run again.

    \b
    Examples: videovisual diff old.mar new.mar clips/ --max-flips 2% --min-agreement 0.8
              videovisual diff r3d-kinetics400 mc3-kinetics400 clips/ --method gradient
    """
    first = dataset.load(old, options.device, options.store)
    second = dataset.load(new, new_device or options.device, options.store)
    from videovisual.diff import Comparison, Diff, compare  # noqa: PLC0415
    from videovisual.diff.junit import to_junit  # noqa: PLC0415
    from videovisual.diff.page import to_page  # noqa: PLC0415

    _check_shared(first, second)
    method = options.method or DEFAULT
    changed = {**options.parameters, **dict(map(pair, new_param))}
    plans = (
        dataset.plan(first, method, options.parameters, options.seed),
        dataset.plan(second, method, changed, options.seed),
    )
    data = Dataset.of(options.clips, options.labels_from, first.card.labels)
    names = [dataset.folder_name(each.card.name) for each in (first, second)]
    results = options.output / RESULTS / "..".join(names)
    check_writable(results / "diff.json")
    settings = {
        "old": {**dataset.about(first), "parameters": options.parameters},
        "new": {**dataset.about(second), "parameters": changed},
        "method": method,
        "seed": options.seed,
    }
    findings = Findings(
        results / "clips", dataset.classifiers(first, second), settings, Comparison.from_json
    )

    def work(clip: NamedClip) -> tuple[Comparison, bytes]:
        from videovisual.render.thumbnail import stacked  # noqa: PLC0415

        comparison, before, after = compare(*plans, clip.path)
        return comparison, stacked([dataset.drawn(before), dataset.drawn(after)])

    made = Diff()
    for clip, found in dataset.each(
        "comparing", data.clips, findings, work, made.failed, fresh=options.fresh
    ):
        made.comparisons[clip.name] = found
        index = data.classes.get(clip.name)
        if index is not None:
            made.labels[clip.name] = first.card.labels[index]
    dataset.report(data.remarks, made.failed)
    made.check()
    thresholds = _thresholds(max_flips, min_agreement)
    title = f"{first.card.name} → {second.card.name}"
    answer = {**settings, "folder": str(options.clips), **made.to_json(thresholds)}
    page = to_page(
        made,
        thresholds,
        title=title,
        about=_about(answer),
        picture=findings.picture,
        remarks=data.remarks,
    )
    write_whole(results / "diff.json", json.dumps(answer, indent=1))
    write_whole(results / "diff.html", page)
    write_whole(results / "diff.xml", to_junit(made, thresholds, title))
    if options.as_json:
        print_json(answer)
    else:
        _show(made)
    _end(made, thresholds, results)


def _check_shared(first: Classifier, second: Classifier) -> None:
    """Raises InvalidRequest where no class of one model is a class of the other."""
    if set(first.card.labels).isdisjoint(second.card.labels):
        raise InvalidRequest(
            f"{first.card.name} and {second.card.name} have no class in common: "
            f"{shown(first.card.labels[0])!r}, … and {shown(second.card.labels[0])!r}, …. Compare "
            "models of the same classes."
        )


def _thresholds(max_flips: str | None, min_agreement: float | None) -> Thresholds:
    from videovisual.diff import Thresholds  # noqa: PLC0415

    share = max_flips is not None and max_flips.endswith("%")
    limit = None if max_flips is None else float(max_flips.removesuffix("%"))
    if limit is not None and share:
        limit /= 100
    return Thresholds(limit, share, min_agreement)


def _about(answer: dict[str, Any]) -> str:
    sides = [
        f"{name} {answer[name]['model']} ({answer[name]['weights_sha256'][:16]}…, "
        f"{answer[name]['device']})"
        for name in ("old", "new")
    ]
    return (
        f"Clips of {shown(answer['folder'])}: {' and '.join(sides)}, method {answer['method']}, "
        f"seed {answer['seed']}."
    )


def _show(made: Diff) -> None:
    ranked = [*made.flips(), *(name for name in made.disagreements() if name not in made.flips())]
    rows = table("clip", "old", "new", "old answer moved", "maps' correlation")
    for name in ranked[:SHOWN]:
        each = made.comparisons[name]
        style = "[red]" if each.flipped else ""
        moved = "no such class" if each.moved is None else f"{each.moved:+.3f}"
        rows.add_row(
            escape(name),
            escape(each.old.label),
            f"{style}{escape(each.new.label)}{'[/]' if style else ''}",
            moved,
            number(each.correlation),
        )
    out.print(rows)
    out.print(
        f"clips: {len(made.comparisons)}, failed: {len(made.failed)}, flipped answers: "
        f"{len(made.flips())}; mean correlation of maps whose answer stayed "
        f"{number(made.agreement())}",
        soft_wrap=True,
    )


def _end(made: Diff, thresholds: Thresholds, results: Path) -> None:
    """Say where the report is and whether the gate holds, and exit with its status."""
    log.print(f"report in {results / 'diff.html'}", soft_wrap=True, markup=False)
    verdicts = list(made.verdicts(thresholds))
    for verdict in verdicts:
        state = "holds" if verdict.holds else "does not hold"
        log.print(f"{verdict.name} {state}: {verdict.text}", soft_wrap=True, markup=False)
    if not all(verdict.holds for verdict in verdicts):
        click.get_current_context().exit(exits.GATE)
    if made.failed:
        click.get_current_context().exit(exits.SOME_FAILED)
