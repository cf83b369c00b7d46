"""An explanation in words."""

from __future__ import annotations

from collections.abc import Iterator

from videovisual.protocol import Explanation


def describe(explanation: Explanation) -> Iterator[str]:
    """Lines that say what an explanation found: when, where, and how sure it is of itself."""
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
    for name, value in explanation.diagnostics.items():
        yield f"  {name}: {value:.4g}" if isinstance(value, float) else f"  {name}: {value}"
    for name, score in (explanation.faithfulness or {}).items():
        if score is not None:
            yield f"  {name}: {score:.4g}"


def instant(explanation: Explanation, index: int) -> str:
    """A frame of the map, and when it is shown."""
    times = explanation.provenance.get("timestamps")
    return f"frame {index} ({times[index]:.2f} s)" if times else f"frame {index}"
