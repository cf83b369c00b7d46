"""What a search minimises, and by which steps."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

CELLS = 4096
"""Of a mask over 16 frames of 112 × 112 pixels, the size for which a rate is given."""

SIGMAS = {112: 11.0, 224: 23.0}
"""The published scales of the kernel, in pixels, at the published heights."""


@dataclass(frozen=True)
class Goal:
    """The weights of what is minimised.

    Attributes:
        score: of −log p, where p is the target's probability behind the mask.
        area: of the area term.
        growth: what the area's weight is multiplied with after each iteration.
        core: of the core term.
        core_from: the iteration from which the core term counts.
        by_frame: whether each frame has to have the area, or the clip as a whole.
    """

    score: float
    area: float = 300.0
    growth: float = 1.0
    core: float = 0.0
    core_from: int = 0
    by_frame: bool = False

    def area_at(self, iteration: int) -> float:
        """The area term's weight in an iteration, counted from 0."""
        return self.area * self.growth**iteration

    def core_at(self, iteration: int) -> float:
        """The core term's."""
        return self.core if iteration >= self.core_from else 0.0

    def weights_at(self, iteration: int) -> tuple[float, float]:
        """Both."""
        return self.area_at(iteration), self.core_at(iteration)


@dataclass(frozen=True)
class Preset:
    """The steps by which it is minimised: gradient descent with momentum.

    Attributes:
        goal: what is minimised.
        iterations: at most.
        rate: learning rate.
        momentum: the share of the last step's direction that is kept.
        dampening: the share of a gradient that is left out of the direction.
        scaled: whether `rate` is that of a mask of `CELLS` cells, and grows with their number, by
            which the area term's gradient at a single cell falls.
        bound: the most by which one step may change a cell, so that a mask doesn't overshoot the
            region that it needs, to which there is no way back; None for no bound.
        cosine: whether the rate falls to 0 as half a cosine, or stays.
        patience: iterations after which to stop, in the second half, unless the best objective
            falls by the share `progress`; None to go on to the end.
        progress: see there.
        last: whether the last mask is the result, or the best.
        trail: the share of the map that tells how long each place held out, in [0, 1].
        blur: largest blur of what is hidden, in pixels; None for the model's own.
        fine: whether cells are 7 pixels apart at any size above 112, or a 16th of the height.
        halved: whether masks are computed at half their height and width where cells are an even
            number of pixels apart.
        lowered: whether the network's gradients may be of sixteen-bit numbers.
    """

    goal: Goal
    iterations: int
    rate: float
    momentum: float
    dampening: float
    scaled: bool = False
    bound: float | None = None
    cosine: bool = False
    patience: int | None = None
    progress: float = 1e-3
    last: bool = False
    trail: float = 0.0
    blur: float | None = None
    fine: bool = False
    halved: bool = False
    lowered: bool = False

    def rate_at(self, iteration: int, of: int, cells: int) -> float:
        """The learning rate of an iteration, counted from 0, for a mask of so many cells."""
        rate = self.rate * (cells / CELLS if self.scaled else 1)
        return rate * (1 + cos(pi * iteration / of)) / 2 if self.cosine else rate

    def is_over(self, iteration: int, of: int, idle: int) -> bool:
        """Whether to stop after an iteration, the last `idle` of which brought no progress."""
        return self.patience is not None and idle >= self.patience and 2 * iteration >= of

    def grid(self, height: int) -> tuple[int, float]:
        """Distance of a mask's cells and scale of its kernel, in pixels, at a clip's height."""
        step = max(1, round(height / 16))
        return min(step, 7) if self.fine else step, SIGMAS.get(height, height * 11 / 112)

    def halves(self, height: int) -> bool:
        """Whether masks are computed at half of a clip's height."""
        step, _ = self.grid(height)
        return self.halved and step % 2 == 0

    def core(self, frames: int, height: int) -> tuple[int, int]:
        """Frames and side of the core's ellipsoid: 7 and 11 as published at 16 × 112 × 112."""
        side = 11 if self.fine else round(height * 11 / 112)
        return min(7, frames - 1 + frames % 2), max(1, min(side, round(height * 11 / 112)))


def published(goal: Goal) -> Preset:
    """The search as Li et al. published it; the area is that of the visible clip."""
    return Preset(
        goal,
        iterations=2000,
        rate=0.05,
        momentum=0.9,
        dampening=0.9,
        last=True,
        blur=20.0,
        fine=True,
    )


def quick(goal: Goal, iterations: int = 80, rate: float = 4.0, momentum: float = 0.7) -> Preset:
    """Ours: large steps that are bounded, fall to nothing, and end when nothing is gained."""
    return Preset(
        goal,
        iterations,
        rate=rate,
        momentum=momentum,
        dampening=momentum,
        scaled=True,
        bound=0.05,
        cosine=True,
        patience=12,
        trail=0.1,
        halved=True,
        lowered=True,
    )
