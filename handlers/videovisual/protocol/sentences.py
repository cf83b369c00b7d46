"""A summary in words: rules put each measured quantity into a sentence."""

import math
from collections.abc import Iterator

from videovisual.protocol.answers import Answer, Explanation, Prediction, said
from videovisual.protocol.summary import Effect, Part, Summary

CLOSE = 0.75
"""A class with this share of the target's probability is close behind it."""

NEARLY = 0.0005
"""Shares this near to none or all count as such: those of a curve are rounded."""

CROP = " of the model's crop"


def summarised(explanation: Explanation, answer: Answer) -> Explanation:
    """The explanation with its summary in words.

    Args:
        explanation: with its map.
        answer: that it belongs to.

    Raises:
        MissingExtra: numpy is not installed.
    """
    text = " ".join(sentences(Summary.of(explanation, answer)))
    return explanation.model_copy(update={"summary": text})


def sentences(summary: Summary) -> Iterator[str]:
    """What, when and where, how sure, and what speaks against it: a sentence or two each."""
    yield f"{summary.model} {_answer(summary)}."
    yield f"By {summary.method}, {_evidence(summary)}."
    if summary.against is not None and not summary.is_constant:
        yield (
            f"{percent(1 - summary.against)} of the evidence speaks for {summary.target.label}, "
            f"{percent(summary.against)} against it."
        )
    if summary.effect is None:
        yield "How much the model depends on it was not measured."
    else:
        yield f"{_effect(summary, summary.effect)}."
    if summary.agreement is not None:
        least = math.floor(100 * summary.agreement) / 100
        alike = f"correlate by {least:.2f} at least"
        yield f"The map is stable: maps of inputs that look the same {alike}."
    if summary.caveats:
        names = ", ".join(name[:1].lower() + name[1:] for name in summary.caveats)
        yield f"Against it: {names}."
    else:
        yield "None of the checks speaks against it."


def percent(share: float) -> str:
    """A share in whole percents; `under 1%` or `over 99%` where rounding would say none or all."""
    text = f"{100 * share:.0f}%"
    if text == "0%" and share > NEARLY:
        return "under 1%"
    return "over 99%" if text == "100%" and share < 1 - NEARLY else text


def _answer(summary: Summary) -> str:
    return {"raw": _score, "sigmoid": _label}.get(summary.scores, _class)(summary)


def _class(summary: Summary) -> str:
    """Of classes of which one holds."""
    target, rival = summary.target, summary.rival
    best = target if rival is None or summary.is_best else rival
    first = f"says {_scored(best)}"
    if summary.near_chance:
        first = f"hardly prefers any class: {best.label} has most, {best.score}"
    if rival is None:
        return first
    if best is rival:
        return f"{first}; this map is for {_scored(target)}"
    is_close = (rival.probability or 0) >= CLOSE * (target.probability or 0)
    return f"{first}; {'close behind is' if is_close else 'next is'} {_scored(rival)}"


def _label(summary: Summary) -> str:
    """Of labels that don't exclude one another."""
    target, rival = summary.target, summary.rival
    own = f"gives {target.label} {target.score}"
    if rival is None:
        return own
    return (
        f"{own}, each class judged by itself; of the others {rival.label} has most, {rival.score}"
    )


def _score(summary: Summary) -> str:
    """Of scores on a scale of their own."""
    target, rival = summary.target, summary.rival
    if rival is not None and summary.is_best:
        return f"gives {target.label} its highest score, {target.score}; next is {_scored(rival)}"
    rest = "" if rival is None else f"; its highest is {_scored(rival)}"
    return f"gives {target.label} the score {target.score}{rest}"


def _scored(prediction: Prediction) -> str:
    return f"{prediction.label}, {prediction.score}"


def _evidence(summary: Summary) -> str:
    if summary.is_constant:
        return "the map is the same everywhere, so it tells neither when nor where"
    side = {"positive": "for", "negative": "against"}.get(summary.polarity)
    evidence = f"the evidence {side} {summary.target.label}" if side else "the evidence"
    when = "the map tells no times apart"
    if summary.tells_time:
        when = _spread(summary.moment, evidence, "", "time")
        evidence = "it"
    where = "the map tells no places apart"
    if summary.tells_place:
        where = _spread(summary.place, evidence, CROP, CROP.removeprefix(" of "))
    return f"{when}, and {where}"


def _spread(part: Part | None, evidence: str, of: str, over: str) -> str:
    if part is None:
        return f"{evidence} is spread nearly evenly over {over}"
    return (
        f"{percent(part.share)} of {evidence} is in {part.name}{of} ({percent(part.even)} if even)"
    )


def _effect(summary: Summary, effect: Effect) -> str:
    label, likely = summary.target.label, summary.target.probability
    if effect.of_mask:
        shown = None if effect.shown is None else said(effect.shown, 0)
        hidden = None if effect.hidden is None else said(effect.hidden, 0)
        part = f"the mask's {percent(effect.area)} of the clip"
        if shown is None:
            return f"With {part} hidden, {label} has {hidden}"
        rest = "" if hidden is None else f", and with it hidden {hidden}"
        return f"With nothing but {part} shown, {label} has {shown}{rest}"
    assert effect.hidden is not None
    assert effect.shown is not None
    part = f"With the strongest {percent(effect.area)} of the map hidden, {label}"
    ways = "in the mean of several ways of hiding"
    if likely is None:
        return (
            f"{part} keeps {percent(effect.hidden)} of its rise over the hidden clip, and with "
            f"nothing else shown {percent(effect.shown)}, {ways}"
        )
    hidden, shown = said(effect.hidden, 0), said(effect.shown, 0)
    verb = "stays at" if hidden == said(likely, 0) else "falls to"
    return f"{part} {verb} {hidden}, and with nothing else shown it has {shown}, {ways}"
