"""STEP's core term; see `core.Core`."""

from __future__ import annotations

import numpy as np

from videovisual.attribution.perturbation.kernels.compiling import (
    ONE,
    ZERO,
    Floats,
    Integers,
    add,
    compiled,
)


@compiled
def core_sums(masks: Floats, runs: Integers, over: int, cells: Floats) -> None:
    """What masks fill of the ellipsoids of `core.Core`, by sums of a row's pixels so far.

    Args:
        masks: [A, T, H, W].
        runs: int32 [slabs, side, columns, 2], where an ellipsoid begins and ends in its rows, in
            the frame of its middle, the frames beside that, and so on.
        over: by how many pixels cells reach over the upper border.
        cells: → [A, T, rows, columns].
    """
    areas, length, height, width = masks.shape
    slabs, side, columns, _ = runs.shape
    rows = cells.shape[2]
    sums, parts = np.zeros(width + 1, np.float64), np.empty((slabs, rows, columns), np.float32)
    cells[:] = ZERO
    for area, frame in np.ndindex(areas, length):
        parts[:] = ZERO
        for row in range(height):
            line = masks[area, frame, row]
            for i in range(width):
                sums[i + 1] = sums[i] + np.float64(line[i])
            cell, inner = (row + over) // side, (row + over) % side
            for apart in range(slabs):
                for column in range(columns):
                    first, last = runs[apart, inner, column]
                    parts[apart, cell, column] += np.float32(sums[last] - sums[first])
        for apart in range(slabs):
            part = parts[apart].reshape(rows * columns)
            if apart <= frame:
                add(part, ONE, cells[area, frame - apart].reshape(rows * columns))
            if 0 < apart < length - frame:
                add(part, ONE, cells[area, frame + apart].reshape(rows * columns))


@compiled
def core_pull(pull: Floats, runs: Integers, over: int, gradient: Floats) -> None:
    """Adds the gradient of `core_sums` at the masks.

    Args:
        pull: the gradient at `cells`.
        runs, over: see there.
        gradient: += [A, T, H, W].
    """
    areas, length, height, width = gradient.shape
    slabs, side, columns, _ = runs.shape
    rows = pull.shape[2]
    changes, parts = np.empty(width + 1, np.float64), np.empty((slabs, rows, columns), np.float32)
    for area, frame in np.ndindex(areas, length):
        parts[:] = ZERO
        for apart in range(slabs):
            part = parts[apart].reshape(rows * columns)
            if apart <= frame:
                add(pull[area, frame - apart].reshape(rows * columns), ONE, part)
            if 0 < apart < length - frame:
                add(pull[area, frame + apart].reshape(rows * columns), ONE, part)
        for row in range(height):
            changes[:] = 0.0
            cell, inner = (row + over) // side, (row + over) % side
            for apart in range(slabs):
                for column in range(columns):
                    first, last = runs[apart, inner, column]
                    changes[first] += parts[apart, cell, column]
                    changes[last] -= parts[apart, cell, column]
            into, level = gradient[area, frame, row], 0.0
            for i in range(width):
                level += changes[i]
                into[i] += np.float32(level)
