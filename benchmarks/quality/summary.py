"""A method's presets compared with the published one, clip by clip."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

OBJECTIVE = 1.02
PROBABILITY = -0.01


@dataclass(frozen=True)
class Comparison:
    """Medians over the clips that both a preset of ours and the reference searched.

    Attributes:
        clips: how many.
        objective: ours over the reference's.
        hard, soft: the target's probability behind the mask, cut to 0 and 1 or as it is: ours
            minus the reference's.
        iterations: ours.
    """

    clips: int
    objective: float
    hard: float
    soft: float
    iterations: float

    @property
    def equal(self) -> bool:
        """Whether ours is as good as the reference."""
        return self.objective <= OBJECTIVE and self.hard >= PROBABILITY

    def __str__(self) -> str:
        return (
            f"objective × {self.objective:.3f}, hard {self.hard:+.3f}, soft {self.soft:+.3f}, "
            f"{self.iterations:.0f} iterations, {self.clips} clips"
        )


def compare(
    presets: Mapping[str, Mapping[str, Mapping[str, Any]]], preset: str = "quick"
) -> Comparison | None:
    """Compare results of one method, by preset and clip; None if no clip was searched by both."""
    ours, theirs = presets.get(preset, {}), presets.get("reference", {})
    both = [(ours[clip], theirs[clip]) for clip in ours if clip in theirs]
    if not both:
        return None
    return Comparison(
        len(both),
        median(one["objective"] / other["objective"] for one, other in both),
        median(one["hard"] - other["hard"] for one, other in both),
        median(one["soft"] - other["soft"] for one, other in both),
        median(one["iterations"] for one, _ in both),
    )


def summarise(results: Mapping[str, Any]) -> Iterator[tuple[str, str, str, Comparison]]:
    """Each model, method and preset with its comparison."""
    for model, methods in results.items():
        for method, presets in methods.items():
            for preset in presets:
                comparison = compare(presets, preset)
                if preset != "reference" and comparison is not None:
                    yield model, method, preset, comparison
