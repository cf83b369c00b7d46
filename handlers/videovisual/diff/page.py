"""A comparison of two models as an HTML page."""

from collections.abc import Callable, Iterator, Sequence
from html import escape

from videovisual.diff.comparison import Comparison, Scored
from videovisual.diff.report import Diff, Thresholds
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

FLIPS = 24
MOVES = 12
"""Clips with a picture in each section: of answers that flipped, and of others."""

MOST_ROWS = 2000
"""Clips in the table of the page; the JSON has all."""

Picture = Callable[[str], bytes | None]


def to_page(
    diff: Diff,
    thresholds: Thresholds,
    *,
    title: str,
    about: str,
    picture: Picture,
    remarks: Sequence[str],
) -> str:
    """Make the page.

    Args:
        diff: what to show.
        thresholds: of the gate.
        title: the two models.
        about: how they were compared: the method, the data set.
        picture: a clip's picture by its name, a JPEG with the old map above the new one; None
            without one.
        remarks: sentences about what doesn't count.
    """
    parts = [
        f"<h1>{escape(title)}</h1>",
        paragraph(about, "muted"),
        *(paragraph(remark, "warn") for remark in remarks),
        _facts(diff),
        *_gate(diff, thresholds),
        *_section(
            diff,
            "Answers that flipped",
            diff.flips(),
            picture,
            FLIPS,
            "Those first whose old answer lost most. The upper frames have the old model's map, "
            "the lower ones the new model's, both for the old answer.",
        ),
        *_section(
            diff,
            "Confidence that moved most, the answer staying",
            [name for name in diff.movements() if diff.comparisons[name].moved],
            picture,
            MOVES,
        ),
        *_section(
            diff,
            "Maps that moved most, the answer staying",
            diff.disagreements(),
            picture,
            MOVES,
            "The lowest rank correlation of the two maps first.",
        ),
        *_failed(diff),
        "<h2>Every clip</h2>",
        _all(diff),
    ]
    return document(title, "\n".join(parts))


def _facts(diff: Diff) -> str:
    agreement, accuracy = diff.agreement(), diff.accuracy()
    named = [
        ("clips", str(len(diff.comparisons))),
        ("failed", str(len(diff.failed))),
        ("answers flipped", str(len(diff.flips()))),
        ("mean correlation of maps", "–" if agreement is None else f"{agreement:.3f}"),
    ]
    if accuracy is not None:
        named.append(("accuracy, old to new", f"{accuracy[0]:.1%} to {accuracy[1]:.1%}"))
    return facts(named)


def _gate(diff: Diff, thresholds: Thresholds) -> Iterator[str]:
    for verdict in diff.verdicts(thresholds):
        state = "holds" if verdict.holds else "does not hold"
        body = f"<h3>{escape(verdict.name)} {state}</h3>{paragraph(verdict.text)}"
        yield card(body, "good" if verdict.holds else "bad")


def _section(
    diff: Diff, title: str, names: Sequence[str], picture: Picture, most: int, about: str = ""
) -> Iterator[str]:
    yield f"<h2>{escape(title)}</h2>"
    if not names:
        yield paragraph("None.", "muted")
        return
    if about:
        yield paragraph(about)
    yield gallery(
        figure(picture(name), f"{name}: {_change(diff.comparisons[name])}") for name in names[:most]
    )
    if len(names) > most:
        rest = (_row(diff, name) for name in names[most:MOST_ROWS])
        yield fold(f"{len(names) - most} more", table(title, _HEADS, rest))


def _change(comparison: Comparison) -> str:
    kept = "" if comparison.kept is None else f", which now has {_score(comparison.kept)}"
    old = f"{comparison.old.label} {_score(comparison.old)}"
    new = f"{comparison.new.label} {_score(comparison.new)}"
    change = (
        f"{old}{kept}; now {new}" if comparison.flipped else f"{old}, now {_score(comparison.new)}"
    )
    return f"{change}; maps: {_maps(comparison)}"


def _maps(comparison: Comparison) -> str:
    if comparison.overlap is None:
        return "no two to compare"
    known = comparison.correlation
    correlation = "undefined" if known is None else f"{known:.3f}"
    return f"correlation {correlation}, upper tenths share {comparison.overlap:.0%}"


def _score(scored: Scored) -> str:
    return said(scored.probability, scored.logit)


_HEADS = ("clip", "label", "old", "new", "old answer moved", "correlation", "upper tenths share")


def _row(diff: Diff, name: str) -> str:
    each = diff.comparisons[name]
    moved, correlation, overlap = each.moved, each.correlation, each.overlap
    return row(
        name,
        [
            cell(diff.labels.get(name, "")),
            cell(f"{each.old.label} {_score(each.old)}"),
            cell(f"{each.new.label} {_score(each.new)}", "flag" if each.flipped else ""),
            cell("no such class" if moved is None else f"{moved:+.4f}", "number"),
            cell("–" if correlation is None else f"{correlation:.3f}", "number"),
            cell("–" if overlap is None else f"{overlap:.0%}", "number"),
        ],
    )


def _all(diff: Diff) -> str:
    shown = list(diff.comparisons)[:MOST_ROWS]
    title = f"{len(shown)} of {len(diff.comparisons)} clips"
    return fold(title, table(title, _HEADS, (_row(diff, name) for name in shown)))


def _failed(diff: Diff) -> Iterator[str]:
    if diff.failed:
        yield "<h2>Clips that failed</h2>"
        rows = (row(name, [cell(reason, "warn")]) for name, reason in diff.failed.items())
        yield table(f"{len(diff.failed)} clips count nowhere", ["clip", "reason"], rows)
