"""How much a run measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """Models and repetitions of a run.

    Attributes:
        models: of the searches and gradients, the large one first.
        served: models that are served.
        repetitions: of each figure, where its time budget allows.
        iterations: of our searches, twice.
        reference_iterations: of the reference implementation, each of which is a repetition.
        samples: classifications of one repetition.
        clips: on which maps are scored.
    """

    models: tuple[str, ...] = ("i3d-kinetics400", "r3d-motion")
    served: tuple[str, ...] = ("tsm-motion", "i3d-motion")
    repetitions: int = 3
    iterations: int = 4
    reference_iterations: int = 3
    samples: int = 100
    clips: int = 16


FULL = Plan()
QUICK = Plan(
    models=("r3d-motion",),
    served=("tsm-motion",),
    repetitions=1,
    iterations=2,
    reference_iterations=2,
    samples=10,
    clips=4,
)
