"""Who does what when: the states of a clip's three objects, and the order of the target's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Order = Callable[[Integers, np.random.Generator], Integers]

FRAMES = 16
MOVER, SPINNER, SCALER = ACTORS = range(3)

TURN = 240
"""Steps of a full turn, in which angles are counted, clockwise from the right."""

FIXED = 2**14
"""What a coordinate of `DIRECTION` is a multiple of."""

ATTEMPTS = 24
"""Random orders of which an object that is not the target takes the least orderly."""


def _directions() -> Integers:
    angle = np.arange(TURN) * (2 * np.pi / TURN)
    # Rounding removes the last bits, in which the sines of two machines may differ.
    exact = np.stack([np.cos(angle), np.sin(angle)], axis=1) * FIXED
    directions: Integers = np.rint(exact).astype(np.int64)
    return directions


DIRECTION = _directions()
"""Unit vectors (x, y), y downwards, of every angle, in 1 / `FIXED`: int64 [TURN, 2]."""


class Choreography(NamedTuple):
    """What every object does.

    Attributes:
        values: int64 [3, T]: the mover's place on its circle and the spinner's heading, in angles;
            the scaler's radius, in sixteenths of a pixel.
        active: bool [T], when the target shows the motion of the class.
    """

    values: Integers
    active: npt.NDArray[np.bool_]


def _ascending(values: Integers, rng: np.random.Generator) -> Integers:
    return values


def _descending(values: Integers, rng: np.random.Generator) -> Integers:
    return values[::-1]


def _clockwise(values: Integers, rng: np.random.Generator) -> Integers:
    return np.roll(values, rng.integers(len(values)))


def _counter_clockwise(values: Integers, rng: np.random.Generator) -> Integers:
    return _clockwise(values, rng)[::-1]


def _towards(axis: int, sign: int) -> Order:
    """Along one half of the circle, then along the other, both in the same direction."""

    def order(values: Integers, rng: np.random.Generator) -> Integers:
        place = DIRECTION[values % TURN]
        half = (place[:, 1 - axis] < 0) ^ bool(rng.integers(2))
        return values[np.lexsort((sign * place[:, axis], half))]

    return order


_CLASSES: Mapping[str, tuple[int, Order]] = {
    "moves left": (MOVER, _towards(0, -1)),
    "moves right": (MOVER, _towards(0, 1)),
    "moves up": (MOVER, _towards(1, -1)),
    "moves down": (MOVER, _towards(1, 1)),
    "circles clockwise": (MOVER, _clockwise),
    "circles counter-clockwise": (MOVER, _counter_clockwise),
    "spins clockwise": (SPINNER, _ascending),
    "spins counter-clockwise": (SPINNER, _descending),
    "grows": (SCALER, _ascending),
    "shrinks": (SCALER, _descending),
}

LABELS = tuple(_CLASSES)

OPPOSITE = (1, 0, 3, 2, 5, 4, 7, 6, 9, 8)
"""Of each class the one that its clips show when they run backwards."""

_ORDERS = tuple(_CLASSES.values())


def target(label: int) -> int:
    """Which of the three objects shows the motion of the class."""
    return _ORDERS[label][0]


def _states(actor: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """The states that an object's motion goes through, and those of its other frames."""
    count = int(rng.choice((10, 12)))
    first = rng.integers(TURN)
    if actor == MOVER:
        motion = first + np.arange(count) * (TURN // count)
    elif actor == SPINNER:
        motion = first + np.arange(count) * rng.integers(14, 25)
    else:
        smallest, step = rng.integers(48, 65), rng.integers(7, 9)
        motion = smallest + np.arange(count) * step
    return motion, rng.choice(motion, FRAMES - count)


def _steps(actor: int, values: Integers) -> list[Integers]:
    """The directions in which `values` [..., T] go from frame to frame, as anyone may see them."""
    if actor == SCALER:
        return [np.sign(np.diff(values))]
    turned = np.sign((np.diff(values) + TURN // 2) % TURN - TURN // 2)
    if actor == SPINNER:
        return [turned]
    return [turned, *np.sign(np.diff(DIRECTION[values % TURN], axis=-2)).transpose(2, 0, 1)]


def _orderliness(actor: int, values: Integers) -> Integers:
    """How often three steps in a row go the same way, at full and at half the frame rate."""
    found = np.zeros(len(values), np.int64)
    for view in (values, values[:, ::2], values[:, 1::2]):
        for step in _steps(actor, view):
            found += (abs(step[:, 2:] + step[:, 1:-1] + step[:, :-2]) == 3).sum(axis=1)
    return found


def _disorder(actor: int, values: Integers, rng: np.random.Generator) -> Integers:
    attempts = rng.permuted(np.tile(values, (ATTEMPTS, 1)), axis=1)
    least: Integers = attempts[_orderliness(actor, attempts).argmin()]
    return least


def _calmed(values: Integers, unrest: float) -> Integers:
    middle = (values.min() + values.max()) // 2
    calmed: Integers = middle + np.rint((values - middle) * unrest).astype(np.int64)
    return calmed


def choreograph(
    label: int, states: np.random.Generator, order: np.random.Generator, unrest: float = 1.0
) -> Choreography:
    """The objects' states in a clip of that class.

    Args:
        label: index into `LABELS`.
        states: draws the states, in the same way for every label.
        order: draws their order in time.
        unrest: how far the objects that are not the target stray from the middle of their states.
    """
    lead, ordered = _ORDERS[label]
    values = np.empty((len(ACTORS), FRAMES), np.int64)
    active = np.zeros(FRAMES, np.bool_)
    for actor in ACTORS:
        motion, rest = _states(actor, states)
        if actor == lead:
            start = order.integers(len(rest) + 1)
            active[start : start + len(motion)] = True
            values[actor, active] = ordered(motion, order)
            values[actor, ~active] = rest
        else:
            jumps = _disorder(actor, np.concatenate([motion, rest]), order)
            values[actor] = _calmed(jumps, unrest)
    return Choreography(values, active)
