"""Caveats: warnings about an explanation that fails its own checks. Every picture shows them."""

from collections.abc import Iterator, Mapping
from typing import Any

from videovisual.protocol import Explanation

MAX_RELATIVE_DELTA = 0.05
"""The largest completeness error of integrated gradients, as a share of the logit's rise."""

MAX_AREA_ERROR = 0.25
"""The largest error of a mask's area, as a share of the requested area."""

MIN_AREA_ERROR = 0.01
"""Errors of a mask's area below this share of the clip give no caveat."""

MIN_SCORE = 0.05
"""Deletion scores up to this give no caveat: the target is never likely."""

MIN_PROBABILITY = 0.05
"""Targets with a lower probability give a caveat."""

KEPT_SHARE = 0.5
"""The share of the whole clip's probability that a preserving mask must keep and a deleting mask
must go below; and the share of the soft mask's that the hard mask must keep."""


def caveats(explanation: Explanation) -> Iterator[str]:
    """Find what is wrong with a map.

    Args:
        explanation: with the diagnostics of its method and, if measured, its faithfulness scores.

    Yields:
        One sentence or two for each failed check, which begin with a short name and a colon;
        nothing if all checks pass.
    """
    facts = explanation.diagnostics
    likely = explanation.target.probability
    if likely < MIN_PROBABILITY:
        yield (
            f"Unlikely: the model gives this class {100 * likely:.1f}% only. The map shows what "
            "comes nearest to it, not why the model would say it."
        )
    if facts.get("partial"):
        yield "Partial: the method was stopped before it had done all its steps."
    if read := facts.get("target_read_as"):
        yield (
            f"Two readings: {read['name']!r} was taken as a class's name; as an index it would be "
            f"{read['index_of']!r}. Give a number, or [{read['name']}] in a form, for the index."
        )
    if facts.get("constant"):
        yield (
            "Constant: the map has the same value everywhere, so its peak and its curve show "
            "nothing. Try another method or layer."
        )
    for name, reason in (facts.get("undefined") or {}).items():
        yield f"Undefined: {name} has no value, because {reason}."
    delta = facts.get("relative_delta")
    if facts.get("converged") is False and delta is None:
        yield (
            f"Not converged: after {facts.get('iterations', 'all')} iterations the search was "
            "still getting better. Give it more iterations."
        )
    elif facts.get("converged") is False:
        yield (
            f"Not converged: after {facts.get('steps', 'all')} steps the points on the path still "
            "miss the rise of the logit by more than the tolerance that was asked for."
        )
    if delta is not None and delta > MAX_RELATIVE_DELTA:
        yield (
            f"Incomplete: the points on the path miss the rise of the logit by {100 * delta:.0f}%. "
            "Take more steps."
        )
    whole = facts.get("probability_clip")
    for area in facts.get("areas") or ():
        yield from _mask_caveats(area, whole)
    scores = explanation.faithfulness or {}
    insertion, deletion = scores.get("insertion"), scores.get("deletion")
    if insertion is not None and deletion is not None and insertion <= deletion > MIN_SCORE:
        yield (
            "Not faithful: uncovering the clip by this map brings the target up no sooner "
            f"({insertion:.2f}) than covering it loses it ({deletion:.2f})."
        )


def _mask_caveats(area: Mapping[str, Any], whole: float | None) -> Iterator[str]:
    asked, achieved = area.get("area"), area.get("achieved_area")
    if asked is not None and achieved is not None:
        error = abs(achieved - asked)
        if error > max(MAX_AREA_ERROR * asked, MIN_AREA_ERROR):
            yield (
                f"Area missed: the mask shows {100 * achieved:.1f}% of the clip, and "
                f"{100 * asked:.1f}% were asked for."
            )
    kept = area.get("probability_preserve")
    if kept is not None:
        if whole is not None and kept["soft"] < KEPT_SHARE * whole:
            yield (
                f"Target not kept: behind the mask it has {100 * kept['soft']:.0f}%, in the "
                f"whole clip {100 * whole:.0f}%. A larger area may hold the evidence."
            )
        elif kept["hard"] < KEPT_SHARE * kept["soft"]:
            yield (
                f"Lives on half-shown pixels: cut to a hard edge, the mask keeps "
                f"{100 * kept['hard']:.0f}% of the target instead of {100 * kept['soft']:.0f}%."
            )
    lost = area.get("probability_delete")
    if lost is not None and whole is not None:
        if lost["soft"] > KEPT_SHARE * whole:
            yield (
                f"Target not lost: with the mask's inside hidden it still has "
                f"{100 * lost['soft']:.0f}%, in the whole clip {100 * whole:.0f}%."
            )
        elif lost["hard"] > KEPT_SHARE * whole:
            yield (
                f"Lives on half-hidden pixels: with a hard edge the target still has "
                f"{100 * lost['hard']:.0f}%, with the soft one {100 * lost['soft']:.0f}%."
            )
