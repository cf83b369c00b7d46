"""The objective over a search."""

from dataclasses import dataclass, field
from math import inf
from typing import Any

MAX_HISTORY = 100
"""The most objectives in the diagnostics."""

CONVERGED = 0.01
"""The share of the objective below which the last tenth of a search counts as no progress."""


@dataclass
class History:
    """The objective, averaged over the areas, of every iteration.

    Attributes:
        values: the objectives.
        best: the lowest one at the last progress.
        last_progress: the iteration of the last progress.
    """

    values: list[float] = field(default_factory=list)
    best: float = inf
    last_progress: int = 0

    def add(self, value: float, progress: float) -> None:
        """Add an iteration's objective; a fall by the share `progress` counts as progress."""
        if value < self.best * (1 - progress):
            self.best, self.last_progress = value, len(self.values)
        self.values.append(value)

    def stalled(self) -> int:
        """Iterations since the last progress."""
        return len(self.values) - 1 - self.last_progress

    def converged(self) -> bool:
        """Whether the last tenth of the iterations lowered the objective by less than 1%."""
        tail = max(1, len(self.values) // 10)
        before = min(self.values[:-tail], default=inf)
        return min(self.values) > before * (1 - CONVERGED)

    def diagnostics(self) -> dict[str, Any]:
        """The number of iterations, and at most `MAX_HISTORY` objectives at equal distances."""
        every = -(-len(self.values) // MAX_HISTORY)
        return {
            "iterations": len(self.values),
            "course": self.values[::every],
            "course_every": every,
        }
