"""What masks leave of a clip; see `pyramid.Pyramid`."""

from __future__ import annotations

import numpy as np

from videovisual.attribution.perturbation.kernels.compiling import (
    ONE,
    ZERO,
    Floats,
    Integers,
    compiled,
)

BLOCK = 128
"""Pixels whose levels are read together."""


@compiled
def heights(
    masks: Floats, deletes: bool, top: np.float32, into: Floats, floors: Integers
) -> tuple[int, int]:
    """How far up a pyramid a block of masks reaches, from which level, and the least and most."""
    for i in range(len(masks)):
        height = (ONE - masks[i] if deletes else masks[i]) * top
        # Also of what is not a number a height has to be one.
        height = height if height > ZERO else ZERO
        into[i] = height if height < top else top
    last = int(top) - 1
    lowest, highest = last, 0
    for i in range(len(masks)):
        floors[i] = min(int(into[i]), last)
        lowest, highest = min(lowest, floors[i]), max(highest, floors[i])
    return lowest, highest


@compiled
def shown(masks: Floats, levels: Floats, rises: Floats, deletes: bool, clips: Floats) -> None:
    """What masks leave of a clip: between levels of a pyramid, of which few are read.

    Args:
        masks: [A, pixels].
        levels: [L, 3, pixels], from the most perturbed one on.
        rises: [L, 3, pixels], to the next level, and at last to the clip.
        deletes: whether what a mask shows is hidden, and the other way round.
        clips: → [A, 3, pixels].
    """
    pixels, top = masks.shape[1], np.float32(len(rises))
    height, floors = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.int32)
    climbed = np.empty(BLOCK, np.float32)
    for area in range(len(masks)):
        for start in range(0, pixels, BLOCK):
            end = min(start + BLOCK, pixels)
            low, high = heights(masks[area, start:end], deletes, top, height, floors)
            for channel in range(3):
                clip, level = clips[area, channel, start:end], levels[low, channel, start:end]
                for i in range(end - start):
                    clip[i] = level[i]
            for step in range(low, high + 1):
                for i in range(end - start):
                    part = height[i] - np.float32(step)
                    part = part if part > ZERO else ZERO
                    climbed[i] = part if part < ONE else ONE
                for channel in range(3):
                    clip, rise = clips[area, channel, start:end], rises[step, channel, start:end]
                    for i in range(end - start):
                        clip[i] += climbed[i] * rise[i]


@compiled
def shown_pull(
    pull: Floats,
    masks: Floats,
    rises: Floats,
    deletes: bool,
    weight: np.float32,
    gradient: Floats,
) -> None:
    """Adds `weight` times the gradient of `shown` at the masks.

    Args:
        pull: the gradient at `clips`.
        masks, rises, deletes: see `shown`.
        weight: of this gradient.
        gradient: += [A, pixels].
    """
    pixels, top = masks.shape[1], np.float32(len(rises))
    height, floors = np.empty(BLOCK, np.float32), np.empty(BLOCK, np.int32)
    felt = np.empty(BLOCK, np.float32)
    scale = -weight * top if deletes else weight * top
    for area in range(len(masks)):
        for start in range(0, pixels, BLOCK):
            end = min(start + BLOCK, pixels)
            low, high = heights(masks[area, start:end], deletes, top, height, floors)
            into = gradient[area, start:end]
            for step in range(low, high + 1):
                for i in range(end - start):
                    felt[i] = ZERO
                for channel in range(3):
                    rise, pulled = rises[step, channel, start:end], pull[area, channel, start:end]
                    for i in range(end - start):
                        felt[i] += rise[i] * pulled[i]
                for i in range(end - start):
                    into[i] += scale * felt[i] if floors[i] == step else ZERO
