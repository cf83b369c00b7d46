"""The scores of many clips as one row of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean, median

from benchmarks.faithfulness.measure import Score

Row = dict[str, float | int | None]
"""Measures by name; of a method that doesn't suit the network only `clips` and `refused`."""


def summarise(scores: Sequence[Score]) -> Row:
    """Means over the classes of the means over their clips; medians of costs and errors.

    Clips for which a measure is undefined, as for a constant map, are left out of its mean.
    """
    return {
        "clips": len(scores),
        "pointing": _macro(scores, lambda score: score.pointing),
        "iou": _macro(scores, lambda score: score.iou),
        "insertion": _macro(scores, lambda score: score.insertion),
        "deletion": _macro(scores, lambda score: score.deletion),
        "sensitivity_n": _macro(scores, lambda score: score.sensitivity_n),
        "sufficiency": _macro(scores, lambda score: score.sufficiency),
        "necessity": _macro(scores, lambda score: score.necessity),
        "saco": _macro(scores, lambda score: score.saco),
        "similarity": _mean([score.similarity for score in scores]),
        "similarities": sum(score.similarity is not None for score in scores),
        "relative_delta": _median([score.relative_delta for score in scores]),
        "achieved_area": _median([score.achieved_area for score in scores]),
        "seconds": _median([score.seconds for score in scores]),
    }


def _macro(scores: Sequence[Score], value: Callable[[Score], float | None]) -> float | None:
    by_class: dict[int, list[float]] = {}
    for score in scores:
        if (known := value(score)) is not None:
            by_class.setdefault(score.label, []).append(known)
    return round(fmean(map(fmean, by_class.values())), 4) if by_class else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(fmean(known), 4) if known else None


def _median(values: Sequence[float | None]) -> float | None:
    known = [abs(value) for value in values if value is not None]
    return round(median(known), 4) if known else None
