"""The command `videovisual audit`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from videovisual.utils.files import check_writable, write_whole
from videovisual.utils.text import shown
from videovisual_client import exits
from videovisual_client.collection import NamedClip
from videovisual_client.commands import dataset
from videovisual_client.commands.dataset import DatasetOptions, with_dataset
from videovisual_client.commands.options import complete_models
from videovisual_client.dataset import Dataset, Findings
from videovisual_client.errors import InvalidRequest
from videovisual_client.terminal import log, out, print_json, table

if TYPE_CHECKING:
    from videovisual.audit import Audit, Inspection

RESULTS = "audit"
DEFAULT = "gradient"
NO_METHOD = "none"


@click.command(epilog=exits.TABLE)
@click.argument("model", shell_complete=complete_models)
@with_dataset
def audit(model: str, options: DatasetOptions) -> None:
    """Find what MODEL leans on, over CLIPS, a folder of clips.

    Each clip is classified as it is and changed: frames shuffled, reversed, one frame held, the
    middle, the border or what moves hidden, colours alone, each eighth missing. Its answer is
    explained (--method; `gradient` unless given, `none` for answers alone). Rates by class have
    confidence intervals; a finding is stated only where they support it. The report, audit.html,
    and audit.json go to OUTPUT/audit/MODEL. A command that was stopped continues when it is run
    again.

    \b
    Examples: videovisual audit i3d-kinetics400 clips/
              videovisual audit mine clips/ --labels-from testlist01.txt -o results
    """
    classifier = dataset.load(model, options.device, options.store)
    from videovisual.audit import Audit, Inspection, Tally, inspect  # noqa: PLC0415
    from videovisual.audit.page import to_page  # noqa: PLC0415

    card = classifier.card
    method = options.method or (DEFAULT if classifier.differentiable else NO_METHOD)
    explained = None if method == NO_METHOD else method
    plan = dataset.plan(classifier, explained, options.parameters, options.seed)
    data = Dataset.of(options.clips, options.labels_from, card.labels)
    _check_classes(data, card.labels)
    results = options.output / RESULTS / dataset.folder_name(card.name)
    check_writable(results / "audit.json")
    settings = {
        **dataset.about(classifier),
        "method": method,
        "parameters": options.parameters,
        "seed": options.seed,
    }
    findings = Findings(
        results / "clips", dataset.classifiers(classifier), settings, Inspection.from_json
    )

    def work(clip: NamedClip) -> tuple[Inspection, bytes]:
        inspection, result = inspect(plan, clip.path, clip.name, options.seed)
        return inspection, dataset.drawn(result)

    tally, failed = Tally(), dict[str, str]()
    for clip, found in dataset.each(
        "auditing", data.clips, findings, work, failed, fresh=options.fresh
    ):
        tally.add(clip.name, data.classes.get(clip.name), found)
    dataset.report(data.remarks, failed)
    made = Audit.of(tally, card.labels, options.seed)
    answer = {**settings, "folder": str(options.clips), "failed": failed, **made.to_json()}
    page = to_page(
        made,
        title=f"What {card.name} leans on",
        about=_about(answer),
        picture=findings.picture,
        failed=failed,
        remarks=data.remarks,
    )
    write_whole(results / "audit.json", json.dumps(answer, indent=1))
    write_whole(results / "audit.html", page)
    if options.as_json:
        print_json(answer)
    else:
        _show(made)
    log.print(f"report in {results / 'audit.html'}", soft_wrap=True, markup=False)
    if failed:
        click.get_current_context().exit(exits.SOME_FAILED)


def _check_classes(data: Dataset, labels: tuple[str, ...]) -> None:
    """Raises InvalidRequest, before any work, where all clips are labelled as the same class."""
    if len(data.classes) == len(data.clips) and len(set(data.classes.values())) == 1:
        (only,) = set(data.classes.values())
        raise InvalidRequest(
            f"All {len(data.clips)} clips are of the class {shown(labels[only])!r}, and an audit "
            "compares the clips of one class with those of others. Give a folder with clips of "
            "two classes or more."
        )


def _about(answer: dict[str, Any]) -> str:
    parameters = "".join(f", {name}={value}" for name, value in answer["parameters"].items())
    return (
        f"Clips of {shown(answer['folder'])}. Weights {answer['weights_sha256'][:16]}…, method "
        f"{answer['method']}{parameters}, seed {answer['seed']}."
    )


def _show(made: Audit) -> None:
    from videovisual.audit.page import percent, sentence  # noqa: PLC0415
    from videovisual.audit.questions import CHANGES, SHARES  # noqa: PLC0415

    rows = table("over all clips", "", "")
    for name, survival in made.overall.survivals.items():
        rows.add_row(CHANGES[name].title, "answers that stay", percent(survival.rate))
    for name, share in made.overall.shares.items():
        rows.add_row(f"evidence {SHARES[name].title}", "mean share", percent(share.mean))
    out.print(rows)
    for finding in made.findings:
        name = "most answers" if finding.group is None else finding.group
        line = f"finding! {name}: {finding.text}. {sentence(made, finding)}"
        out.print(line, markup=False, soft_wrap=True)
    if not made.findings:
        few = sum(len(group.clips) < made.needed for group in made.groups)
        out.print(
            f"No finding is supported; {few} of {len(made.groups)} classes have fewer than the "
            f"{made.needed} clips that one takes.",
            soft_wrap=True,
        )
