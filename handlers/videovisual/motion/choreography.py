"""The states of a clip's three objects in every frame."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Order = Callable[[Integers, np.random.Generator], Integers]

FRAMES = 16
MOVER, SPINNER, SCALER = ACTORS = range(3)

TURN = 240
"""Angles are integers: steps of 1 / `TURN` of a full turn, clockwise from the right."""

FIXED = 2**14
"""Denominator of the coordinates in `DIRECTION`."""

ATTEMPTS = 24
"""Number of random orders drawn for an object other than the target; the least orderly is used."""


def _directions() -> Integers:
    angle = np.arange(TURN) * (2 * np.pi / TURN)
    # Rounding removes the last bits, which may differ between machines.
    exact = np.stack([np.cos(angle), np.sin(angle)], axis=1) * FIXED
    directions: Integers = np.rint(exact).astype(np.int64)
    return directions


DIRECTION = _directions()
"""Unit vectors (x, y) of all angles, y downwards, times `FIXED`: int64 [TURN, 2]."""


class Choreography(NamedTuple):
    """The objects' states in every frame.

    Attributes:
        values: int64 [3, T]: the mover's position on its circle and the spinner's heading, as
            angles; the scaler's radius, in sixteenths of a pixel.
        active: bool [T], the frames in which the target shows the motion of the class.
    """

    values: Integers
    active: npt.NDArray[np.bool_]


def _along(step: int) -> Order:
    """In ascending order (step 1) or descending order (step -1)."""
    return lambda values, _rng: values[::step]


def _around(step: int) -> Order:
    """Clockwise (step 1) or counter-clockwise (step -1) from a random state."""
    return lambda values, rng: np.roll(values, rng.integers(len(values)))[::step]


def _towards(axis: int, sign: int) -> Order:
    """Order along one half of the circle, then along the other, in the same direction."""

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
    "circles clockwise": (MOVER, _around(1)),
    "circles counter-clockwise": (MOVER, _around(-1)),
    "spins clockwise": (SPINNER, _along(1)),
    "spins counter-clockwise": (SPINNER, _along(-1)),
    "grows": (SCALER, _along(1)),
    "shrinks": (SCALER, _along(-1)),
}

LABELS = tuple(_CLASSES)

OPPOSITE = (1, 0, 3, 2, 5, 4, 7, 6, 9, 8)
"""For each class, the class that its clips show when played backwards."""

_ORDERS = tuple(_CLASSES.values())


def target(label: int) -> int:
    """Index of the object that shows the motion of the class."""
    return _ORDERS[label][0]


def _states(actor: int, rng: np.random.Generator) -> tuple[Integers, Integers]:
    """The states of an object's motion in order, and the states of its other frames."""
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
    """Signs of the visible changes of `values` [..., T] from frame to frame."""
    if actor == SCALER:
        return [np.sign(np.diff(values))]
    turned = np.sign((np.diff(values) + TURN // 2) % TURN - TURN // 2)
    if actor == SPINNER:
        return [turned]
    return [turned, *np.sign(np.diff(DIRECTION[values % TURN], axis=-2)).transpose(2, 0, 1)]


def _orderliness(actor: int, values: Integers) -> Integers:
    """How often three steps in a row have the same sign, at the full and half frame rate."""
    found = np.zeros(len(values), np.int64)
    for view in (values, values[:, ::2], values[:, 1::2]):
        for step in _steps(actor, view):
            found += (abs(step[:, 2:] + step[:, 1:-1] + step[:, :-2]) == 3).sum(axis=1)
    return found


def _disorder(actor: int, values: Integers, rng: np.random.Generator) -> Integers:
    attempts = rng.permuted(np.tile(values, (ATTEMPTS, 1)), axis=1)
    least: Integers = attempts[_orderliness(actor, attempts).argmin()]
    return least


def _contract(values: Integers, scale: float) -> Integers:
    middle = (values.min() + values.max()) // 2
    contracted: Integers = middle + np.rint((values - middle) * scale).astype(np.int64)
    return contracted


def choreograph(
    label: int, states: np.random.Generator, order: np.random.Generator, unrest: float = 1.0
) -> Choreography:
    """Draw the objects' states in a clip of the class `label`.

    Args:
        label: index into `LABELS`.
        states: generator of the states, which don't depend on the label.
        order: generator of their order in time.
        unrest: in [0, 1], scales the distance of the other objects' states from their middle.
    """
    target_object, ordered = _ORDERS[label]
    values = np.empty((len(ACTORS), FRAMES), np.int64)
    active = np.zeros(FRAMES, np.bool_)
    for actor in ACTORS:
        motion, rest = _states(actor, states)
        if actor == target_object:
            start = order.integers(len(rest) + 1)
            active[start : start + len(motion)] = True
            values[actor, active] = ordered(motion, order)
            values[actor, ~active] = rest
        else:
            jumps = _disorder(actor, np.concatenate([motion, rest]), order)
            values[actor] = _contract(jumps, unrest)
    return Choreography(values, active)
