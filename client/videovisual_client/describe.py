"""An explanation in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from videovisual.protocol import Explanation
from videovisual.protocol.caveats import caveats, time_cells

SHORT = 4
"""Longer lists are shown by their first and last numbers."""


def describe(explanation: Explanation) -> Iterator[str]:
    """Lines of text about an explanation: when and where, and whether to trust it."""
    if explanation.diagnostics.get("constant"):
        yield f"{explanation.method} for {explanation.target.label}: the map is the same everywhere"
    else:
        yield from _where(explanation)
    for caveat in caveats(explanation):
        yield f"  caution! {caveat}"
    for name, value in explanation.diagnostics.items():
        yield f"  {name}: {_shown(value)}"
    for name, score in (explanation.faithfulness or {}).items():
        if score is not None:
            yield f"  {name}: {score:.4g}"


def _where(explanation: Explanation) -> Iterator[str]:
    frame, row, column = explanation.peak
    when = strongest_time(explanation)
    most = f"the model looked most at {when}" if when else "it tells no time"
    yield f"{explanation.method} for {explanation.target.label}: {most}"
    height, width = explanation.map.shape[1:]
    yield (
        f"  strongest point: {instant(explanation, frame)}, {100 * column / width:.0f}% from the "
        f"left and {100 * row / height:.0f}% from the top of the model's crop"
    )


def strongest_time(explanation: Explanation) -> str | None:
    """When the map is strongest, and its share then beside the share of a map that is even in time;
    None for a map without any sense of time."""
    curve = explanation.curve
    if time_cells(explanation) == 1:
        return None
    best = max(range(len(curve)), key=curve.__getitem__)
    first, last = _cell(explanation, best)
    share, even = sum(curve[first : last + 1]), (last + 1 - first) / len(curve)
    return f"{instant(explanation, best)}, {share:.0%} of all saliency ({even:.0%} if even)"


def instant(explanation: Explanation, index: int) -> str:
    """A frame of the map and its time, or the frames that the map can't tell from it."""
    times = explanation.provenance.get("timestamps")
    first, last = _cell(explanation, index)
    if first == last:
        return f"frame {index} ({times[index]:.2f} s)" if times else f"frame {index}"
    span = f" ({times[first]:.2f} to {times[last]:.2f} s)" if times else ""
    return f"frames {first} to {last}{span}"


def _cell(explanation: Explanation, index: int) -> tuple[int, int]:
    """The first and the last frame of the time cell that a frame belongs to."""
    frames, cells = explanation.map.shape[0], time_cells(explanation)
    cell = index * cells // frames
    return -(-cell * frames // cells), -(-(cell + 1) * frames // cells) - 1


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
