"""Draws a clip: objects of the same shape and colour over a drifting texture."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from videovisual.motion.choreography import DIRECTION, FIXED, MOVER, SCALER, SPINNER, TURN, Integers

Floats = npt.NDArray[np.float32]
Frames = npt.NDArray[np.uint8]
Masks = npt.NDArray[np.bool_]

SIDE = 64

PIXELS = np.arange(SIDE, dtype=np.float32) + np.float32(0.5)
"""Coordinates of the pixel centres of a row."""

LARGEST = 9.5
"""Upper bound of the scaler's radius, in pixels."""


def _drop(u: Floats, v: Floats) -> Floats:
    head = np.sqrt((u + 0.35) ** 2 + v**2) - 0.65
    tail = np.sqrt((u - 0.6) ** 2 + v**2) - 0.38
    outline: Floats = np.minimum(head, tail)
    return outline


def _wedge(u: Floats, v: Floats) -> Floats:
    flank = 0.4 * u + 0.9 * abs(v) - 0.4
    outline: Floats = np.maximum(flank, -0.75 - u)
    return outline


def _crescent(u: Floats, v: Floats) -> Floats:
    disc = np.sqrt(u**2 + v**2) - 0.95
    bite = 0.5 - np.sqrt((u - 0.8) ** 2 + v**2)
    outline: Floats = np.maximum(disc, bite)
    return outline


Shape = Callable[[Floats, Floats], Floats]
SHAPES: tuple[Shape, ...] = (_drop, _wedge, _crescent)
"""Signed distance from the outline, negative inside, of a shape of radius 1 that heads along u."""


class Pose(NamedTuple):
    """An object's centre [T, 2] (x, y) and radius [T] in pixels, and its heading [T]."""

    centre: Floats
    radius: Floats
    heading: Integers


def _fits(corners: Integers, sides: Integers) -> Masks:
    """Whether the three squares at `corners` [N, 3, 2] are disjoint: bool [N]."""
    fits = np.ones(len(corners), np.bool_)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        apart = corners[:, one] - corners[:, other]
        fits &= ((apart >= sides[other]) | (-apart >= sides[one])).any(axis=1)
    return fits


def _slots(sides: Integers, rng: np.random.Generator) -> Integers:
    """Upper left corners (x, y) of disjoint squares: int64 [3, 2]."""
    while True:
        corners = rng.integers(0, (SIDE - sides + 1)[:, None], (64, len(sides), 2))
        fits = _fits(corners, sides)
        if fits.any():
            slots: Integers = corners[fits.argmax()]
            return slots


def _poses(values: Integers, rng: np.random.Generator) -> list[Pose]:
    """The three objects' poses; `values` as in `Choreography`."""
    frames = values.shape[1]
    circle, mover, spinner = rng.integers((8, 5, 6), (11, 7, 9))
    reach = np.array([circle + mover, spinner, LARGEST])
    sides = np.ceil(2 * reach).astype(np.int64) + 2
    centres = (_slots(sides, rng) + sides[:, None] / 2).astype(np.float32)
    headings = np.tile(rng.integers(0, TURN, (3, 1)), frames)
    headings[SPINNER] = values[SPINNER] % TURN
    radii = np.empty((3, frames), np.float32)
    radii[MOVER], radii[SPINNER], radii[SCALER] = mover, spinner, values[SCALER] / 16
    paths = np.tile(centres[:, None], (1, frames, 1))
    paths[MOVER] += DIRECTION[values[MOVER] % TURN] * (circle / FIXED)
    return [Pose(*pose) for pose in zip(paths, radii, headings, strict=True)]


def _texture(frames: int, rng: np.random.Generator) -> Frames:
    """A smooth random texture that drifts by up to 1.5 pixels per frame: [T, SIDE, SIDE, 3]."""
    period = 2 * SIDE
    noise = np.zeros((period, period, 3), np.float32)
    for cells, contrast in ((4, 24), (8, 20), (16, 12)):
        knots = rng.integers(-contrast, contrast + 1, (cells, cells, 3)).astype(np.float32)
        noise += _smooth(_smooth(knots, period).swapaxes(0, 1), period).swapaxes(0, 1)
    noise += rng.integers(80, 177, 3)
    drift = rng.integers(-3, 4, 2)
    at = 2 * np.arange(SIDE) + np.arange(frames)[:, None] * drift[:, None, None]
    rows, columns = at % period
    drifting: Frames = np.rint(noise).astype(np.uint8)[rows[:, :, None], columns[:, None, :]]
    return drifting


def _smooth(knots: Floats, length: int) -> Floats:
    """Smooth periodic interpolation along the first axis."""
    spacing = length // len(knots)
    ramp = np.arange(spacing, dtype=np.float32) / np.float32(spacing)
    weight: Floats = (ramp * ramp * (3 - 2 * ramp))[:, None, None]
    after = np.roll(knots, -1, axis=0)
    between = knots[:, None] + (after - knots)[:, None] * weight
    return between.reshape(length, *knots.shape[1:])


def _tones(rng: np.random.Generator) -> Floats:
    """Colours of the objects' front and back, one light and one dark: [2, 3]."""
    tones = rng.integers([[190], [0]], [[256], [61]], (2, 3))
    return tones[:: rng.choice((-1, 1))].astype(np.float32)


def _draw(clip: Frames, mask: Masks, pose: Pose, shape: Shape, tones: Floats) -> None:
    """Add an object to `clip` [T, SIDE, SIDE, 3] and mark its pixels in `mask` [T, SIDE, SIDE]."""
    margin = pose.radius.max() + 1
    low = np.maximum(np.floor(pose.centre.min(0) - margin), 0).astype(int)
    high = np.ceil(pose.centre.max(0) + margin).astype(int)
    columns, rows = (slice(*box) for box in zip(low, high, strict=True))
    x = PIXELS[columns] - pose.centre[:, 0, None, None]
    y = PIXELS[rows, None] - pose.centre[:, 1, None, None]
    cos, sin = (DIRECTION[pose.heading].astype(np.float32) / FIXED).T[..., None, None]
    radius = pose.radius[:, None, None]
    u, v = (x * cos + y * sin) / radius, (y * cos - x * sin) / radius
    cover = (0.5 - shape(u, v) * radius).clip(0, 1)
    ahead = (0.5 + u * radius).clip(0, 1)[..., None]
    front, back = tones
    behind = clip[:, rows, columns].astype(np.float32)
    drawn = behind + (back + (front - back) * ahead - behind) * cover[..., None]
    clip[:, rows, columns] = np.rint(drawn)
    mask[:, rows, columns] = cover > 0.5


def paint(values: Integers, rng: np.random.Generator) -> tuple[Frames, Masks]:
    """Draw the clip of a choreography.

    Args:
        values: int64 [3, T], as in `Choreography`.
        rng: draws texture, drift, shape, colours, positions and sizes.

    Returns:
        Frames uint8 [T, SIDE, SIDE, 3], and each object's mask: bool [3, T, SIDE, SIDE].
    """
    frames = values.shape[1]
    clip = _texture(frames, rng)
    shape, tones = SHAPES[rng.integers(len(SHAPES))], _tones(rng)
    masks = np.zeros((len(values), frames, SIDE, SIDE), np.bool_)
    for mask, pose in zip(masks, _poses(values, rng), strict=True):
        _draw(clip, mask, pose, shape, tones)
    return clip, masks
