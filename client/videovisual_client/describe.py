"""An explanation in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from videovisual.protocol import Explanation
from videovisual.protocol.caveats import caveats

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
    curve = explanation.curve
    best = max(range(len(curve)), key=curve.__getitem__)
    frame, row, column = explanation.peak
    yield (
        f"{explanation.method} for {explanation.target.label}: the model looked most at "
        f"{instant(explanation, best)}, {100 * curve[best]:.0f}% of all saliency"
    )
    height, width = explanation.map.shape[1:]
    yield (
        f"  strongest point: {instant(explanation, frame)}, {100 * column / width:.0f}% from the "
        f"left and {100 * row / height:.0f}% from the top of the model's crop"
    )


def instant(explanation: Explanation, index: int) -> str:
    """A frame of the map, and its time."""
    times = explanation.provenance.get("timestamps")
    return f"frame {index} ({times[index]:.2f} s)" if times else f"frame {index}"


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
