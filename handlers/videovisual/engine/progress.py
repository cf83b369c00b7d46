"""How far a method has come; imports no torch, so that a client can use it too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from videovisual.saliency import Saliency


@dataclass(frozen=True)
class Progress:
    """How far a method has come.

    Attributes:
        step, of: steps done, and in all.
        objective: the value being optimised, where the method has one.
        probability: the target's probability in the last reading, where it is known.
        partial: makes the best saliency map so far, where the method is anytime.
    """

    step: int
    of: int
    objective: float | None = None
    probability: float | None = None
    partial: Callable[[], Saliency] | None = None
