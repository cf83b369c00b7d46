"""The goal of a search and the settings of its descent."""

from dataclasses import dataclass
from math import cos, pi

CELLS = 4096
"""Cells of a mask over 16 frames of 112 × 112 pixels, for which rates are given."""

CHECKS = 10
"""Ways of hiding by which the default of `ep_3d` checks its map: each fill, hard and soft edges."""

SIGMAS = {112: 11.0, 224: 23.0}
"""The published scales of the kernel, in pixels, by the clip's height."""


def random_of(iterations: int) -> int:
    """Passes behind random masks in the default of `ep_3d`, by the iterations of its descent."""
    return round(0.75 * iterations)


@dataclass(frozen=True)
class Goal:
    """The weights of the terms of the objective.

    Attributes:
        score: of −log p, where p is the target's probability behind the mask.
        area: of the area term.
        growth: factor of the area's weight after each iteration.
        core: of the core term.
        core_from: the iteration from which the core term counts.
        by_frame: whether each frame must have the area, or only the clip as a whole.
    """

    score: float
    area: float = 300.0
    growth: float = 1.0
    core: float = 0.0
    core_from: int = 0
    by_frame: bool = False

    def weights_at(self, iteration: int) -> tuple[float, float]:
        """The weights of the area and the core term in an iteration, counted from 0."""
        core = self.core if iteration >= self.core_from else 0.0
        return self.area * self.growth**iteration, core


@dataclass(frozen=True)
class Preset:
    """Settings of a gradient descent with momentum.

    Attributes:
        goal: what is minimised.
        iterations: at most.
        rate: learning rate.
        momentum: the share of the last step's velocity that is kept.
        dampening: the share of a gradient that is left out of the velocity.
        scaled: whether `rate` is that of a mask of `CELLS` cells and grows with their number, with
            which the area term's gradient at a single cell falls.
        bound: the largest change of a cell in one step; None for no bound. Without it a mask can
            overshoot the region that it needs, where no gradient leads back.
        cosine: whether the rate falls to 0 as half a cosine, or is constant.
        patience: in the second half, the search stops after so many iterations without progress;
            None runs all iterations.
        progress: the share by which the best objective must fall to count as progress.
        last: whether the last mask is the result, or the best.
        mean_share: the share of the mean mask over all iterations in the map, in [0, 1].
        blur: largest blur of hidden pixels, in pixels; None for the model's own.
        fine: whether cells are 7 pixels apart at any height above 112, or a 16th of the height.
        halved: whether masks are computed at half their height and width where cells are an even
            number of pixels apart.
        reduced_precision: whether the network's gradients may be computed in 16 bits.
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
    mean_share: float = 0.0
    blur: float | None = None
    fine: bool = False
    halved: bool = False
    reduced_precision: bool = False

    def rate_at(self, iteration: int, of: int, cells: int) -> float:
        """The learning rate of an iteration, counted from 0, for a mask of `cells` cells."""
        rate = self.rate * (cells / CELLS if self.scaled else 1)
        return rate * (1 + cos(pi * iteration / of)) / 2 if self.cosine else rate

    def should_stop(self, iteration: int, of: int, stalled: int) -> bool:
        """Whether to stop after an iteration, when the last `stalled` ones made no progress."""
        return self.patience is not None and stalled >= self.patience and 2 * iteration >= of

    def grid(self, height: int) -> tuple[int, float]:
        """Distance of the cells and scale of the kernel, in pixels, at a clip's height."""
        step = max(1, round(height / 16))
        return min(step, 7) if self.fine else step, SIGMAS.get(height, height * 11 / 112)

    def halves(self, height: int) -> bool:
        """Whether masks are computed at half of a clip's height."""
        step, _ = self.grid(height)
        return self.halved and step % 2 == 0

    def core(self, frames: int, height: int) -> tuple[int, int]:
        """Frames and side of the core's ellipsoid: 7 and 11 as published at 16 × 112 × 112."""
        side = round(height * 11 / 112)
        return min(7, frames - 1 + frames % 2), max(1, min(11, side) if self.fine else side)


@dataclass(frozen=True)
class WorthPreset:
    """Settings of a search by averaged worth.

    Attributes:
        iterations: of the search.
        restarts: searches that share each pass and differ in the order of the ways of hiding.
        apart: the share of the iterations without random masks after which one search goes on from
            the restarts' mean. By then each has reached the area asked for.
        random: the share of the iterations that show random masks, before any shows the search's.
        shrinking: the share of the others, while restarts are apart, in which the area shrinks;
            then it is the one asked for.
        cells: along the height of a frame, at least.
        distance: of the cells in frames that have room for more of them, in pixels. The finer they
            are, the more a small area keeps, and the less noise changes the map: a cell that comes
            and goes changes what the network sees by less.
        frames: of a cell, in clips of `fine_below` frames or more; in shorter ones each frame has
            cells of its own.
        reach: in shorter clips, frames before and after its own that a cell shows in part.
        slack: of log p. The larger it is, the more a mask gains by a higher probability than the
            clip's own.
        ramp: width of the search's own masks' edge, in the logarithm of a pixel's rank. The wider
            it is, the less noise changes the map, and the less a small area keeps.
    """

    iterations: int = 180
    restarts: int = 1
    apart: float = 1.0
    random: float = 1 / 3
    shrinking: float = 0.6
    cells: int = 16
    distance: int = 7
    frames: int = 2
    reach: int = 2
    fine_below: int = 16
    slack: float = 0.25
    ramp: float = 0.8

    def random_of(self, iterations: int) -> int:
        """The number of iterations with random masks."""
        return round(self.random * iterations)

    def apart_of(self, iterations: int) -> int:
        """Of the iterations without random masks, the number in which restarts are apart."""
        return max(1, round(self.apart * iterations))

    def passes_of(self, iterations: int) -> int:
        """The passes of each area in as many iterations without random masks."""
        return iterations + (self.restarts - 1) * self.apart_of(iterations)

    def cells_of(self, height: int) -> int:
        """The number of cells along a height of `height` pixels."""
        return max(self.cells, height // self.distance)

    def frames_of(self, length: int) -> int:
        """The frames of a cell in a clip of `length` frames."""
        return self.frames if length >= self.fine_below else 1

    def reach_of(self, length: int) -> int:
        """The frames beyond its own that a cell reaches in a clip of `length` frames."""
        return 0 if length >= self.fine_below else self.reach

    def area_at(self, iteration: int, of: int, area: float) -> float:
        """The area of an iteration that is counted from the first one without a random mask.

        Its logarithm falls to that of `area` more and more slowly.
        """
        left = max(0.0, 1 - iteration / max(1.0, self.shrinking * of))
        return float(area ** (1 - left**2))


STEADIER = WorthPreset(restarts=3, apart=5 / 8)
"""The averaged search of the default of `ep_3d`."""


def reference_preset(goal: Goal) -> Preset:
    """The published settings (Li et al. 2021); the area is that of the visible clip."""
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


def quick_preset(
    goal: Goal, iterations: int = 80, rate: float = 4.0, momentum: float = 0.7
) -> Preset:
    """Faster settings: large, bounded steps that shrink to 0 and stop without progress."""
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
        mean_share=0.1,
        halved=True,
        reduced_precision=True,
    )
