"""The progress of a method. This file imports no torch, so that a client can use it."""

from collections.abc import Callable
from dataclasses import dataclass

from videovisual.saliency import Saliency


@dataclass(frozen=True)
class Progress:
    """The progress of a method.

    Attributes:
        step, of: the steps done, and the steps in total.
        objective: the value being optimised, if the method has one.
        probability: the target's probability in the last reading, if it is known.
        partial: returns the best saliency map so far, if the method is anytime.
    """

    step: int
    of: int
    objective: float | None = None
    probability: float | None = None
    partial: Callable[[], Saliency] | None = None
