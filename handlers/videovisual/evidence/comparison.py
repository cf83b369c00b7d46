"""An answer beside the same answer computed again: what agrees, and within which tolerance."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from videovisual.evidence.finding import Finding, Verdict
from videovisual.protocol import Answer, Array, Explanation, Prediction, Provenance

SCORE_TOLERANCE = 1e-3
"""The largest difference of logits on other hardware, as a share of them, and at least this."""

SEARCHES = ("ep_2d", "ep_3d", "step")

CONDITIONS = {
    "videovisual": "version of VideoVisual",
    "torch": "version of torch",
    "device": "device",
    "gpu": "GPU",
    "cpu": "processor",
    "threads": "number of threads",
    "precision": "precision",
}
"""The facts of a provenance on which rounding depends."""

SET_BY_REQUEST = ("target_read_as",)
"""Diagnostics of how a target was written."""


@dataclass(frozen=True)
class Tolerance:
    """How far a map may be from the record's where hardware or versions differ.

    Attributes:
        correlation: the least correlation of the two maps.
        scale: how many times as large one map's norm may be as the other's.
    """

    correlation: float
    scale: float


EXPLICIT = Tolerance(correlation=0.99, scale=1.1)
SEARCHED = Tolerance(correlation=0.7, scale=1.5)
"""A search's rounding decides which of several masks that fit it finds."""


def tolerance(method: str) -> Tolerance:
    """The tolerance of a method's maps on other hardware or versions; on the same there is none."""
    return SEARCHED if method in SEARCHES else EXPLICIT


def same_model(stated: Answer, weights: str, labels: str) -> Finding:
    """Whether the model is the record's, by its weights and its labels.

    Args:
        stated: the record's answer.
        weights, labels: SHA-256 of the model's weights, and of its labels.
    """
    recorded = Provenance.model_validate(stated.explanations[0].provenance)
    if recorded.weights_sha256 is None:
        message = "The record doesn't say which weights the model had."
        return Finding("model", Verdict.UNCHECKED, message)
    if recorded.weights_sha256 != weights:
        message = (
            f"Another model: its weights' SHA-256 is {weights}, and the record's, of "
            f"{stated.model}, is {recorded.weights_sha256}."
        )
        return Finding("model", Verdict.DIFFERS, message)
    if recorded.labels_sha256 not in (None, labels):
        message = "The model has the record's weights, but other labels."
        return Finding("model", Verdict.DIFFERS, message)
    message = f"The model's weights are the record's, SHA-256 {weights}."
    return Finding("model", Verdict.SAME, message)


def not_computed(why: str) -> Finding:
    """The finding of a map that can't be computed again."""
    return Finding("map", Verdict.UNCHECKED, f"Not computed again: {why.rstrip('.')}.")


def compare(stated: Answer, again: Answer) -> Iterator[Finding]:
    """What of an answer is found again.

    Args:
        stated: the record's answer.
        again: the same request computed again; it lists more classes.
    """
    provenance = [
        (_conditions(old), _conditions(new))
        for old, new in zip(stated.explanations, again.explanations, strict=True)
    ]
    others = [
        f"another {name} ({old.get(fact) or 'not recorded'} → {new.get(fact)})"
        for old, new in provenance[:1]
        for fact, name in CONDITIONS.items()
        if old.get(fact) != new.get(fact)
    ]
    where = ", ".join(others)
    yield from _clip_facts(stated, again)
    if stated.predictions:
        yield _scores(stated.predictions, again.predictions, where)
    for old, new in zip(stated.explanations, again.explanations, strict=True):
        yield from _explanation(old, new, where)


def _conditions(explanation: Explanation) -> Mapping[str, Any]:
    provenance = Provenance.model_validate(explanation.provenance)
    return {name: getattr(provenance, name) for name in CONDITIONS}


def _clip_facts(stated: Answer, again: Answer) -> Iterator[Finding]:
    for name in ("timestamps", "crop"):
        if stated.clip.get(name) != again.clip.get(name):
            message = f"The record's {name} aren't those of its frames in this clip."
            yield Finding("facts", Verdict.DIFFERS, message)


def _scores(stated: list[Prediction], again: list[Prediction], where: str) -> Finding:
    if stated == again[: len(stated)]:
        return Finding("answer", Verdict.SAME, "The answer is the same to the last bit.")
    known = {each.index: each for each in again}
    far = 0.0
    for each in stated:
        other = known.get(each.index)
        if other is None or other.label != each.label:
            message = f"The answer differs: the record lists {each.label!r}, which isn't found."
            return Finding("answer", Verdict.DIFFERS, message)
        far = max(far, _distance(each, other))
    first = "" if stated[0].index == again[0].index else f", and {again[0].label!r} comes first"
    figures = f"logits differ by up to {far:.2g} of their size{first}"
    if far > SCORE_TOLERANCE:
        allowed = f"{figures}; {SCORE_TOLERANCE} is allowed{f' for {where}' if where else ''}"
        return Finding("answer", Verdict.DIFFERS, f"The answer differs: {allowed}.")
    return _agrees("answer", f"The answer agrees: {figures}", where)


def _distance(one: Prediction, other: Prediction) -> float:
    """The difference of two scores as a share of their size, which counts as 1 at least."""
    far = abs(one.logit - other.logit) / max(1.0, abs(one.logit))
    if (one.probability is None) != (other.probability is None):
        return float("inf")
    return max(far, abs((one.probability or 0.0) - (other.probability or 0.0)))


def _explanation(stated: Explanation, again: Explanation, where: str) -> Iterator[Finding]:
    name = f"The map of {stated.method} for {stated.target.label!r}"
    if stated.diagnostics.get("partial"):
        message = f"{name} is a search's best at its deadline, which can't be computed again."
        yield Finding("map", Verdict.UNCHECKED, message)
        return
    if stated.signed != again.signed or not all(
        _equal(getattr(stated, kind), getattr(again, kind)) for kind in ("map", "signed_map")
    ):
        yield _map(name, stated, again, where)
        return
    yield Finding("map", Verdict.SAME, f"{name} is the same to the last bit.")
    # A file without the model's answer has no score of the target.
    if not math.isnan(stated.target.logit):
        scores = _scores([stated.target], [again.target], where)
        if scores.verdict is Verdict.DIFFERS:
            yield Finding(
                "facts", Verdict.DIFFERS, f"The target of {stated.method}: {scores.message}"
            )
    if not where:
        yield from _facts(stated, again)


def _equal(one: Array | None, other: Array | None) -> bool:
    if one is None or other is None:
        return one is other
    same_kind = (one.shape, one.dtype) == (other.shape, other.dtype)
    return same_kind and one.to_bytes() == other.to_bytes()


def _map(name: str, stated: Explanation, again: Explanation, where: str) -> Finding:
    import numpy as np  # noqa: PLC0415

    if stated.map.shape != again.map.shape or stated.signed != again.signed:
        message = f"{name} differs: its shape is {again.map.shape}, not {stated.map.shape}."
        return Finding("map", Verdict.DIFFERS, message)
    old, new = (each.map.to_numpy().ravel().astype(np.float64) for each in (stated, again))
    norms = float(np.linalg.norm(old)), float(np.linalg.norm(new))
    allowed = tolerance(stated.method)
    if 0.0 in (old.std(), new.std()):
        near = bool(np.allclose(old, new, rtol=SCORE_TOLERANCE))
        figures = "one of the two maps is constant"
    else:
        correlation = float(np.corrcoef(old, new)[0, 1])
        scale = norms[1] / norms[0]
        near = correlation >= allowed.correlation and abs(np.log(scale)) <= np.log(allowed.scale)
        figures = f"correlation {correlation:.4f}, {scale:.3f} times as large"
    if near:
        return _agrees("map", f"{name} agrees: {figures}", where)
    limits = f"at least {allowed.correlation} and within {allowed.scale} times"
    message = f"{name} differs: {figures}; {limits} is allowed{f' for {where}' if where else ''}."
    return Finding("map", Verdict.DIFFERS, message)


def _agrees(part: Any, message: str, where: str) -> Finding:
    if where:
        return Finding(part, Verdict.CLOSE, f"{message}, within the tolerance for {where}.")
    return Finding(
        part,
        Verdict.INEXACT,
        f"{message}. Hardware, versions and threads are the record's, so it should be the same to "
        "the last bit; a server that had other requests may give such an answer.",
    )


def _facts(stated: Explanation, again: Explanation) -> Iterator[Finding]:
    """What else a record says of a map that is the same, on the same hardware and versions."""
    for part in ("diagnostics", "faithfulness"):
        old, new = (_comparable(getattr(each, part)) for each in (stated, again))
        if old != new:
            message = f"The {part} of {stated.method} aren't those that are computed again."
            yield Finding("facts", Verdict.DIFFERS, message)


def _comparable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: each for name, each in value.items() if name not in SET_BY_REQUEST}
    return value
