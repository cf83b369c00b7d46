"""Caveats: warnings about an explanation that fails its own checks. Every picture shows them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from videovisual.protocol import Explanation
from videovisual.protocol.measure_caveats import measure_caveats

MAX_RELATIVE_DELTA = 0.05
"""The largest completeness error of integrated gradients, as a share of the logit's rise."""

MIN_PROBABILITY = 0.05
"""Targets with a lower probability give a caveat."""

MAX_ENTROPY = 0.95
"""Predictions whose entropy is above this share of that of pure chance give a caveat."""

MIN_LOOKED_AT = 0.5
"""The share of the clip that the model should see, for there to be no caveat."""

MIN_TIME_CELLS = 4
"""Maps that tell fewer times apart give a caveat."""

MIN_SIDE_CELLS = 5
"""In coarser maps most cells are at the border, so a maximum there means nothing."""

BORDER = 1 / 32
"""The border of the crop, as a share of its side, for maps without cells."""

MAX_STEPS = 1000
"""The most steps that integrated gradients take."""

MARGIN = 1.5
"""More steps are advised by this factor, since the error doesn't fall evenly."""

MIN_R2 = 0.5
"""Linear models of LIME that predict a smaller share of the samples' variance give a caveat."""

MAX_SHARE_ERROR = 0.25
"""The largest standard error of a moment's share, against the largest share."""


def caveats(explanation: Explanation) -> Iterator[str]:
    """Find what is wrong with a map.

    Args:
        explanation: with the diagnostics of its method and, if measured, its faithfulness scores.

    Yields:
        One sentence or two for each failed check, which begin with a short name and a colon;
        nothing if all checks pass.
    """
    facts = explanation.diagnostics
    yield from clip_caveats(explanation.provenance)
    entropy = facts.get("prediction_entropy")
    if entropy is not None and entropy > MAX_ENTROPY:
        yield (
            f"Near chance: the model hardly prefers any class (entropy {100 * entropy:.0f}% of "
            "that of pure chance). Don't read anything into the map."
        )
    likely = explanation.target.probability
    yield from _target_caveats(likely, facts)
    if facts.get("partial"):
        yield "Partial: the method was stopped before it had done all its steps."
    if facts.get("constant"):
        yield (
            "Constant: the map has the same value everywhere, so its peak and its curve show "
            "nothing. Try another method or layer."
        )
    yield from _undefined_caveats(facts.get("undefined") or {})
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
            f"{_more_steps(facts)}"
        )
    yield from _sampling_caveats(facts)
    if facts.get("evaluated") is False:
        yield "Not evaluated: the deadline came before all measures of the map were taken."
    yield from _grid_caveats(explanation)
    yield from _place_caveats(explanation)
    yield from measure_caveats(explanation)


def _undefined_caveats(undefined: Mapping[str, str]) -> Iterator[str]:
    for reason in dict.fromkeys(undefined.values()):
        names = [name for name, other in undefined.items() if other == reason]
        have = "has" if len(names) == 1 else "have"
        yield f"Undefined: {', '.join(names)} {have} no value, because {reason}."


def _target_caveats(likely: float | None, facts: Mapping[str, Any]) -> Iterator[str]:
    if likely is not None and likely < MIN_PROBABILITY:
        yield (
            f"Unlikely: the model gives this class {100 * likely:.1f}% only. The map shows what "
            "comes nearest to it, not why the model would say it."
        )
    if read := facts.get("target_read_as"):
        yield (
            f"Two readings: {read['name']!r} was taken as a class's name; as an index it would be "
            f"{read['index_of']!r}. Give a number, or [{read['name']}] in a form, for the index."
        )


def clip_caveats(facts: Mapping[str, Any]) -> Iterator[str]:
    """Find what makes a clip a doubtful input of its model.

    Args:
        facts: an answer's `clip`, or an explanation's `provenance`.

    Yields:
        As `caveats`.
    """
    made_for, source = facts.get("made_for"), facts.get("source")
    if made_for and source and [source["width"], source["height"]] != made_for["size"]:
        wide, high = made_for["size"]
        yield (
            f"Made for {made_for['name']}: the model knows only that data set's clips, of {wide} "
            f"x {high} pixels, and any other gets an answer that means nothing. This one has "
            f"{source['width']} x {source['height']}."
        )
    seen, whole = facts.get("looked_at_s"), facts.get("of_s")
    if seen and whole and seen < MIN_LOOKED_AT * whole:
        yield (
            f"Looked at {seen:.2f} of {whole:.1f} s: the model saw no more of the clip. Choose the "
            "part by start_s and end_s, or by window=best."
        )


def _sampling_caveats(facts: Mapping[str, Any]) -> Iterator[str]:
    r2 = facts.get("r2_left_out")
    if r2 is not None and r2 < MIN_R2:
        yield (
            f"Badly fitted: the linear model predicts {100 * max(r2, 0):.0f}% of how the logit "
            "varies when superpixels are hidden. Take more samples or fewer cells, or another "
            "method."
        )
    errors = facts.get("standard_errors")
    if errors and max(errors) > MAX_SHARE_ERROR * max(map(abs, facts["shares"])):
        yield (
            f"Uncertain shares: a standard error is over {100 * MAX_SHARE_ERROR:.0f}% of the "
            "largest share. Take more permutations, or up to 10 segments, whose shares are exact."
        )


def map_cells(facts: Mapping[str, Any]) -> Sequence[int] | None:
    """The places that a map tells apart along frames, rows and columns, if they are cells."""
    return facts.get("layer_shape") or facts.get("cells")


def time_cells(explanation: Explanation) -> int:
    """How many times a map tells apart.

    These are its cells', its masks', or one for each frame, and never more than the network's first
    layer has places in time.
    """
    return min(_own_time_cells(explanation), -(-explanation.map.shape[0] // _stride(explanation)))


def _own_time_cells(explanation: Explanation) -> int:
    """How many times the method tells apart."""
    frames = explanation.map.shape[0]
    cells = map_cells(explanation.diagnostics)
    parameters = explanation.provenance.get("parameters") or {}
    return min(cells[0] if cells else parameters.get("frame_cells") or frames, frames)


def _stride(explanation: Explanation) -> int:
    """How many frames the network's first layer moves at once; 1 where that isn't known."""
    return explanation.provenance.get("temporal_stride") or 1


def _grid_caveats(explanation: Explanation) -> Iterator[str]:
    """Where a map has more times than the network's first layer."""
    stride, frames = _stride(explanation), explanation.map.shape[0]
    if stride > 1 and _own_time_cells(explanation) > -(-frames // stride):
        yield (
            f"Finer than the network: its first layer moves by {stride} frames at once, so where "
            f"the map comes and goes within {stride} frames it shows the network's grid, not the "
            f"clip. The curve is drawn over {stride} frames at a time."
        )


def _place_caveats(explanation: Explanation) -> Iterator[str]:
    """What the map can't tell apart, and a maximum where padding may have made it."""
    cells, (frames, high, wide) = _own_time_cells(explanation), explanation.map.shape
    if cells < min(MIN_TIME_CELLS, frames):
        yield (
            f"{cells} time cell{'s' * (cells != 1)}: the map tells no more times apart, though it "
            f"has {frames} frames. Ask for more frames, or for another method."
        )
    if explanation.diagnostics.get("constant"):
        return
    _, row, column = explanation.peak
    places_of = map_cells(explanation.diagnostics)
    sides = places_of[1:] if places_of else (1 / BORDER, 1 / BORDER)
    if min(sides) < MIN_SIDE_CELLS:
        return
    places = (row + 0.5) / high * sides[0], (column + 0.5) / wide * sides[1]
    if any(place <= 1 or place >= side - 1 for place, side in zip(places, sides, strict=True)):
        yield (
            "Maximum on the border: the map is strongest at the edge of the model's crop, where "
            "padding can be the reason. Compare it with another method."
        )


def steps_for(facts: Mapping[str, Any]) -> int | None:
    """How many steps of integrated gradients will do, judged by the error of those taken.

    The error falls no faster than the number of steps grows. None where not even the most steps
    that are allowed may do, or the diagnostics `facts` don't say how many were taken.
    """
    if "steps" not in facts:
        return None
    enough = math.ceil(MARGIN * facts["steps"] * facts["relative_delta"] / MAX_RELATIVE_DELTA)
    return enough if enough <= MAX_STEPS else None


def _more_steps(facts: Mapping[str, Any]) -> str:
    enough = steps_for(facts)
    if enough is not None:
        return (
            f"Take about {enough} steps, or tolerance={MAX_RELATIVE_DELTA}, which takes as many "
            "as it needs."
        )
    if "steps" in facts:
        return f"Take another baseline: not even {MAX_STEPS} steps may do."
    return "Take more steps."
