"""An explanation in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from videovisual.protocol import Explanation
from videovisual.protocol.caveats import caveats, time_cells
from videovisual.protocol.moment import Moment, frames_named, moment_of, seconds_named

SHORT = 4
"""Longer lists are shown by their first and last numbers."""


def describe(explanation: Explanation) -> Iterator[str]:
    """Lines of text about an explanation: its summary, its caveats, and the numbers behind it."""
    yield f"{explanation.method} for {explanation.target.label}"
    if explanation.summary:
        yield f"  {explanation.summary}"
    for caveat in caveats(explanation):
        yield f"  caution! {caveat}"
    if not explanation.diagnostics.get("constant"):
        yield f"  strongest point: {_strongest_point(explanation)}"
    for name, value in explanation.diagnostics.items():
        yield f"  {name}: {_shown(value)}"
    for name, score in (explanation.faithfulness or {}).items():
        if score is not None:
            yield f"  {name}: {score:.4g}"


def strongest_time(explanation: Explanation) -> str | None:
    """When the map is strongest, and its share then beside the share of a map that is even in time;
    None for a map without any sense of time."""
    curve = explanation.curve
    if time_cells(explanation) == 1:
        return None
    first, last = moment_of(explanation, max(range(len(curve)), key=curve.__getitem__))
    share, even = sum(curve[first : last + 1]), (last + 1 - first) / len(curve)
    when = _instant(explanation, (first, last))
    return f"{when}, {share:.0%} of all saliency ({even:.0%} if even)"


def _strongest_point(explanation: Explanation) -> str:
    frame, row, column = explanation.peak
    height, width = explanation.map.shape[1:]
    return (
        f"{_instant(explanation, moment_of(explanation, frame))}, {100 * column / width:.0f}% from "
        f"the left and {100 * row / height:.0f}% from the top of the model's crop"
    )


def _instant(explanation: Explanation, moment: Moment) -> str:
    """The clip's frames that a moment's are, and when they begin."""
    seconds = seconds_named(explanation, moment)
    frames = frames_named(explanation, moment)
    return frames if seconds is None else f"{frames} ({seconds})"


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_shown(item)}" for name, item in value.items())
    if isinstance(value, list | tuple):
        if len(value) > SHORT and all(isinstance(item, int | float) for item in value):
            return f"{_shown(value[0])} … {_shown(value[-1])} ({len(value)} values)"
        return "; ".join(_shown(item) for item in value)
    return str(value)
