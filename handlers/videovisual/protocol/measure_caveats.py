"""Caveats of a map's measures: those of a search's masks, and those that a request asked for."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from videovisual.protocol import Explanation

MAX_AREA_ERROR = 0.25
"""The largest error of a mask's area, as a share of the requested area."""

MIN_AREA_ERROR = 0.01
"""Errors of a mask's area below this share of the clip give no caveat."""

MIN_SCORE = 0.05
"""Deletion scores up to this give no caveat: the target is never likely."""

KEPT_SHARE = 0.5
"""The share of the whole clip's probability that a preserving mask must keep and a deleting mask
must go below; the share of the soft mask's that the hard mask must keep; and the share of a map's
that the blurred map must keep."""

MAX_GAIN = 1.5
"""The target's largest probability behind a soft mask, over that in the whole clip."""

MAX_SPREAD = 0.3
"""The largest standard deviation of sufficiency over the ways of hiding."""

MIN_AGREEMENT = 0.9
"""Maps of inputs that look the same must correlate as much."""

UNSEEN = {
    "noise": "with noise that no one sees",
    "frame": "of the clip moved by one frame",
    "pixels": "of the clip moved by two pixels",
    "seed": "with another seed",
}
"""The changes of an input that `stability=true` makes, in words."""


def measure_caveats(explanation: Explanation) -> Iterator[str]:
    """What the measures of a map say against it; as `caveats`."""
    facts, likely = explanation.diagnostics, explanation.target.probability
    scores = explanation.faithfulness or {}
    kept, measured = facts.get("kept"), scores.get("sufficiency") is not None
    for area in facts.get("areas") or ():
        yield from _area_caveats(area)
        # Shares of a raw score say nothing.
        if likely is not None:
            whole = facts.get("probability_clip")
            yield from _mask_caveats(area, whole, measured=measured or kept is not None)
    if kept is not None:
        yield from _kept_caveats(kept, facts, measured=measured)
    insertion, deletion = scores.get("insertion"), scores.get("deletion")
    least = MIN_SCORE if likely is not None else -math.inf
    if insertion is not None and deletion is not None and insertion <= deletion > least:
        yield (
            "Not faithful: uncovering the clip by this map brings the target up no sooner "
            f"({insertion:.2f}) than covering it loses it ({deletion:.2f})."
        )
    what = "probability" if likely is not None else "rise over the hidden clip"
    yield from _sufficiency_caveats(scores, facts.get("areas") or (), what)
    yield from _stability_caveats(scores)


def _kept_caveats(kept: float, facts: Mapping[str, Any], *, measured: bool) -> Iterator[str]:
    """What a search's own check of its map says; `measured` as in `_mask_caveats`."""
    shows = any("probability_preserve" in area for area in facts.get("areas") or ())
    verb = "keeps" if shows else "loses"
    if kept < KEPT_SHARE and not measured:
        yield (
            f"Does not hold: {'with only' if shows else 'without'} the map's upper area the target "
            f"{verb} {100 * kept:.0f}% in the mean of several ways of hiding. evaluate=true "
            "measures it in others."
        )
    blurred = facts.get("kept_blurred")
    if blurred is not None and kept >= KEPT_SHARE and blurred < KEPT_SHARE * kept:
        yield (
            f"Fine pattern: {'with only' if shows else 'without'} the map's upper area the target "
            f"{verb} {100 * kept:.0f}%, and {100 * blurred:.0f}% where the map is slightly "
            "blurred. Its spots hold together, not the places around them, and noise that no one "
            "sees moves some of them. stability=true measures how many."
        )


def _sufficiency_caveats(
    scores: Mapping[str, float | None], areas: Sequence[Mapping[str, Any]], what: str
) -> Iterator[str]:
    """Whether the map's highest pixels keep what the target has, in several ways of hiding."""
    share, kept, floor, spread = (
        scores.get(name)
        for name in ("area", "sufficiency", "sufficiency_floor", "sufficiency_spread")
    )
    if share is None or kept is None or floor is None or spread is None:
        return
    shown = f"with only the strongest {100 * share:.1f}% of the map shown, the target keeps"
    if kept <= floor:
        yield (
            f"Not sufficient: {shown} {100 * kept:.0f}% of its {what} in the mean of several ways "
            f"of hiding the rest; with nothing shown it keeps {100 * floor:.0f}%."
        )
    elif kept < KEPT_SHARE and any("probability_preserve" in area for area in areas):
        yield (
            f"Lives on half-shown pixels: {shown} {100 * kept:.0f}% of its {what} in the mean of "
            "several ways of hiding the rest, with hard and soft edges."
        )
    elif spread > MAX_SPREAD:
        held = scores.get("sufficiency_held") or 0
        yield (
            f"Depends on how the rest is hidden: {shown} {100 * kept:.0f}% of its {what} in the "
            f"mean, and at least half of it in {100 * held:.0f}% of the ways."
        )


def _stability_caveats(scores: Mapping[str, float | None]) -> Iterator[str]:
    """Whether inputs that look the same have other maps: the worst of them."""
    found = [
        (agreement, change, scores.get(f"stability_{change}_overlap"))
        for change in UNSEEN
        if (agreement := scores.get(f"stability_{change}")) is not None
    ]
    agreement, change, overlap = min(found, default=(1.0, "", None))
    if agreement < MIN_AGREEMENT and overlap is not None:
        yield (
            f"Unstable: {UNSEEN[change]} the map is another one (correlation {agreement:.2f}; of "
            f"the strongest pixels of both, {100 * overlap:.0f}% are the same)."
        )


def _area_caveats(area: Mapping[str, Any]) -> Iterator[str]:
    asked, achieved = area.get("area"), area.get("achieved_area")
    if asked is not None and achieved is not None:
        error = abs(achieved - asked)
        if error > max(MAX_AREA_ERROR * asked, MIN_AREA_ERROR):
            yield (
                f"Area missed: the mask shows {100 * achieved:.1f}% of the clip, and "
                f"{100 * asked:.1f}% were asked for."
            )


def _mask_caveats(area: Mapping[str, Any], whole: float | None, *, measured: bool) -> Iterator[str]:
    """What the target's probability behind a mask says; `measured` where sufficiency says more."""
    kept = area.get("probability_preserve")
    if kept is not None:
        if whole is not None and kept["soft"] < KEPT_SHARE * whole:
            yield (
                f"Target not kept: behind the mask it has {100 * kept['soft']:.0f}%, in the "
                f"whole clip {100 * whole:.0f}%. A larger area may hold the evidence."
            )
        elif whole is not None and kept["soft"] > MAX_GAIN * whole:
            yield (
                f"Lives on half-shown pixels: behind the mask the target has "
                f"{100 * kept['soft']:.0f}%, in the whole clip {100 * whole:.0f}%. In part the "
                "mask is a pattern that the network takes for the target."
            )
        elif not measured and kept["hard"] < KEPT_SHARE * kept["soft"]:
            yield (
                f"Perhaps lives on half-shown pixels: cut to a hard edge, the mask keeps "
                f"{100 * kept['hard']:.0f}% of the target instead of {100 * kept['soft']:.0f}%. "
                "Either the mask or the new edge is the reason: evaluate=true cuts it in several "
                "ways."
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
