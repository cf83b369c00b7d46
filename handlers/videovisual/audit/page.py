"""An audit as an HTML page."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby

from videovisual.audit.findings import Finding
from videovisual.audit.groups import CONFIDENCE, Group
from videovisual.audit.interval import Interval
from videovisual.audit.questions import CHANGES, MOMENT, SHARES
from videovisual.audit.report import Audit
from videovisual.audit.tally import NONE
from videovisual.protocol import said
from videovisual.render.document import (
    card,
    cell,
    document,
    facts,
    figure,
    fold,
    gallery,
    paragraph,
    row,
    table,
)

PICTURES = 6
ROWS = 200
"""The most pictures and rows of a class; the JSON has all clips."""

ALL_PICTURES = 240
ALL_ROWS = 20_000
"""Of the findings together, and of the classes together: about 3 and 12 MB."""

Picture = Callable[[str], bytes | None]


def to_page(
    audit: Audit,
    *,
    title: str,
    about: str,
    picture: Picture,
    failed: Mapping[str, str],
    remarks: Sequence[str],
) -> str:
    """Make the page.

    Args:
        audit: what to show.
        title: what was audited.
        about: how: the method, the seed, the data set.
        picture: the picture of a clip by its name, a JPEG; None without one.
        failed: clips that could not be audited, by name, each with the reason.
        remarks: sentences about what doesn't count.
    """
    parts = [
        f"<h1>{escape(title)}</h1>",
        paragraph(about, "muted"),
        *(paragraph(remark, "warn") for remark in remarks),
        _facts(audit, failed),
        "<h2>Findings</h2>",
        *_findings(audit, picture),
        "<h2>All clips</h2>",
        _changes(audit),
        _parts(audit),
        _shares(audit.overall),
        "<h2>By class</h2>",
        paragraph(
            "Rates of answers that stay, then mean shares of the evidence. The clips of a class "
            "are those that the model gives this answer. Bold cells are findings."
        ),
        _classes(audit),
        *_unlike(audit, picture),
        "<h2>The clips behind the numbers</h2>",
        *(_clips(audit, group, picture) for group in audit.groups),
        *_failed(failed),
        "<h2>How it was measured</h2>",
        _how(audit),
    ]
    return document(title, "\n".join(parts))


def percent(interval: Interval) -> str:
    """A rate with its interval: `96% (80–99)`."""
    return f"{100 * interval.value:.0f}% ({_reach(interval)})"


def part_name(audit: Audit, part: int) -> str:
    """A part by its number and, where the clips have timestamps, its seconds."""
    known = audit.tally.part_s
    name = f"part {part + 1} of {len(audit.overall.losses)}"
    if not known:
        return name
    seconds = sorted(known)[len(known) // 2]
    return f"{name}, {part * seconds:.2f} to {(part + 1) * seconds:.2f} s"


def sentence(audit: Audit, finding: Finding) -> str:
    """What a finding says, with its numbers."""
    count = f"{round(finding.rate.value * finding.rate.of)} of {finding.rate.of} clips"
    bound = f"at least {100 * finding.at_least:.0f}% with allowance for all comparisons"
    if finding.about in CHANGES:
        group = next(each for each in (audit.overall, *audit.groups) if each.name == finding.group)
        chance = group.survivals[finding.about].chance
        return (
            f"The answer stays in {count}, {percent(finding.rate)}, when "
            f"{CHANGES[finding.about].about}; {100 * chance:.0f}% is chance. Beyond chance {bound}."
        )
    if finding.part is not None:
        return (
            f"The answer is lost in {count}, {percent(finding.rate)}, without "
            f"{part_name(audit, finding.part)}; any other part can be missing. Lost in {bound}."
        )
    return (
        f"In {count}, {percent(finding.rate)}, most of the evidence is "
        f"{SHARES[finding.about].about}; in {bound}."
    )


def _facts(audit: Audit, failed: Mapping[str, str]) -> str:
    accuracy = "no labels" if audit.accuracy is None else percent(audit.accuracy)
    found = {finding.group for finding in audit.findings}
    return facts(
        [
            ("clips", str(len(audit.tally))),
            ("failed", str(len(failed))),
            ("accuracy", accuracy),
            ("classes answered", str(len(audit.groups))),
            ("classes with findings", str(len(found - {None}))),
        ]
    )


def _findings(audit: Audit, picture: Picture) -> Iterator[str]:
    few = sum(len(group.clips) < audit.needed for group in audit.groups)
    if few:
        yield paragraph(
            f"{few} of {len(audit.groups)} classes have fewer than {audit.needed} clips, too few "
            f"for any finding about them among {audit.comparisons} comparisons. Give more clips, "
            "or fewer classes.",
            "warn",
        )
    if not audit.findings:
        yield card(
            paragraph("No finding is supported.")
            + paragraph(
                "No class of enough clips is told, for more than half of them, without the order "
                "of frames, by one frame, by the border, by what doesn't move, by colour, or at "
                "one moment or place. What the intervals don't support is not said.",
                "muted",
            ),
            "bad" if few == len(audit.groups) else "good",
        )
    grouped = [list(each) for _, each in groupby(audit.findings, key=lambda each: each.group)]
    for several in grouped:
        lines = "".join(
            f"<li><b>{escape(finding.text)}.</b> {escape(sentence(audit, finding))}</li>"
            for finding in several
        )
        # The first few of the clips, each once.
        clips = list(dict.fromkeys(clip for finding in several for clip in finding.clips))
        name = several[0].group
        heading = "Most answers, over all classes" if name is None else name
        yield card(
            f"<h3>{escape(heading)}</h3><ul>{lines}</ul>"
            + gallery(
                _figure(audit, clip, picture)
                for clip in clips[: _each(ALL_PICTURES, len(grouped), PICTURES)]
            ),
            "bad",
        )


def _each(together: int, among: int, most: int) -> int:
    """How many each of several may have, at least one."""
    return max(1, min(most, together // among))


def _figure(audit: Audit, clip: int, picture: Picture, more: str = "") -> str:
    tally = audit.tally
    answer = f"{audit.classes[tally.answers[clip]]} {said(*tally.scores[clip])}"
    label = tally.labels[clip]
    if label not in (NONE, tally.answers[clip]):
        answer += f", labelled {audit.classes[label]}"
    name = tally.names[clip]
    return figure(picture(name), f"{name}: {answer}{more}")


def _changes(audit: Audit) -> str:
    rows = (
        row(
            CHANGES[name].title,
            [
                cell(percent(survival.rate), "number"),
                cell(f"{100 * survival.chance:.0f}%", "number"),
                cell(str(survival.rate.of), "number"),
                cell(CHANGES[name].about),
            ],
        )
        for name, survival in audit.overall.survivals.items()
    )
    heads = ["change", "answers that stay", "by chance", "clips", "what is shown"]
    return table("Answers to changed clips, with 95% intervals", heads, rows)


def _parts(audit: Audit) -> str:
    rows = (
        row(part_name(audit, part), [cell(percent(loss.rate), "number"), cell(str(loss.rate.of))])
        for part, loss in enumerate(audit.overall.losses)
    )
    heads = ["missing", "answers that are lost", "clips"]
    return table(f"A part missing: {MOMENT.about}", heads, rows)


def _shares(group: Group) -> str:
    rows = (
        row(
            SHARES[name].title,
            [
                cell(percent(share.mean), "number"),
                cell(f"{100 * share.even:.0f}%", "number"),
                cell(percent(share.mostly), "number"),
                cell(str(share.mean.of), "number"),
                cell(f"evidence {SHARES[name].about}"),
            ],
        )
        for name, share in group.shares.items()
    )
    heads = ["evidence", "mean share", "of an even map", "clips mostly there", "clips", "meaning"]
    return table("Where the evidence lies, with 95% intervals", heads, rows)


def _classes(audit: Audit) -> str:
    found = {(finding.group, finding.about) for finding in audit.findings}
    changes = list(audit.overall.survivals)
    shares = list(audit.overall.shares)

    def rows() -> Iterator[str]:
        for group in audit.groups:
            rates: dict[str, Interval] = {
                **{name: survival.rate for name, survival in group.survivals.items()},
                **{name: share.mean for name, share in group.shares.items()},
            }
            if group.losses:
                lost = (loss.rate for loss in group.losses)
                rates["moment"] = max(lost, key=lambda rate: rate.value)
            numbers = [
                _rate(rates.get(name), "flag" if (group.name, name) in found else "")
                for name in (*changes, "moment", *shares)
            ]
            yield row(str(group.name), [cell(str(len(group.clips))), *numbers])

    heads = [
        *("class", "clips"),
        *(CHANGES[name].title for name in changes),
        "lost without a part, at most",
        *(SHARES[name].title for name in shares),
    ]
    return table("Every class, with 95% intervals", heads, rows())


def _unlike(audit: Audit, picture: Picture) -> Iterator[str]:
    if not audit.unlike:
        return
    yield "<h2>Clips most unlike their class</h2>"
    yield paragraph(
        "How far a clip's answer and evidence are from the mean of its class, in times the usual "
        "distance. Look for wrong labels here, and for what the class does not usually show."
    )
    yield gallery(
        _figure(
            audit,
            each.clip,
            picture,
            f"; {each.times:.1f} × the usual distance from {audit.classes[each.group]}",
        )
        for each in audit.unlike
    )


def _clips(audit: Audit, group: Group, picture: Picture) -> str:
    """The clips of a class: whose answers stayed, and where their evidence lies."""
    tally, classes = audit.tally, len(audit.groups)
    shown = group.clips[: _each(ALL_ROWS, classes, ROWS)]
    pictured = group.clips[: _each(ALL_PICTURES, classes, PICTURES)]
    changes, shares = list(group.survivals), [name for name in group.shares if name != "one_place"]

    def rows() -> Iterator[str]:
        for clip in shown:
            label = tally.labels[clip]
            marks = (tally.changed[change][clip] for change in changes)
            given = (tally.shares[clip].get(name) for name in shares)
            yield row(
                tally.names[clip],
                [
                    cell("" if label == NONE else audit.classes[label]),
                    cell(said(*tally.scores[clip]), "number"),
                    *(cell(_mark(mark, tally.answers[clip])) for mark in marks),
                    *(
                        cell("–" if share is None else f"{100 * share.value:.0f}%")
                        for share in given
                    ),
                ],
            )

    heads = ["clip", "label", "score", *(CHANGES[name].title for name in changes)]
    heads += [SHARES[name].title for name in shares]
    caption = f"{len(shown)} of {len(group.clips)} clips: whether the answer stays, and the shares"
    body = gallery(_figure(audit, clip, picture) for clip in pictured)
    return fold(f"{group.name}: {len(group.clips)} clips", body + table(caption, heads, rows()))


def _rate(interval: Interval | None, kind: str) -> str:
    """A cell with a rate, and its interval below; of a CSS class."""
    if interval is None:
        return cell("–")
    reach = f'<span class="range">{_reach(interval)}</span>'
    return f'<td class="{kind}">{100 * interval.value:.0f}% {reach}</td>'


def _reach(interval: Interval) -> str:
    return f"{100 * interval.low:.0f}–{100 * interval.high:.0f}"


def _mark(answer: int, own: int) -> str:
    if answer == NONE:
        return "–"
    return "stays" if answer == own else "lost"


def _failed(failed: Mapping[str, str]) -> Iterator[str]:
    if failed:
        yield "<h2>Clips that failed</h2>"
        rows = (row(name, [cell(reason, "warn")]) for name, reason in failed.items())
        yield table(f"{len(failed)} clips count nowhere", ["clip", "reason"], rows)


def _how(audit: Audit) -> str:
    return paragraph(
        f"Rates have Wilson intervals, mean shares bootstrap intervals, each of "
        f"{100 * CONFIDENCE:.0f}%. A class's rate is compared with how often clips of other "
        "answers get its answer by the same change (Newcombe's interval of the difference). A "
        f"finding is stated where the lower bound is above one half after Bonferroni's allowance "
        f"for all {audit.comparisons} comparisons, so that all findings hold together with a "
        f"confidence of {100 * CONFIDENCE:.0f}%. Hidden regions get the clip's mean colour. A "
        "finding tells what suffices for the answer, not why; whether that is a shortcut depends "
        "on the task: many classes are told rightly without motion."
    )
