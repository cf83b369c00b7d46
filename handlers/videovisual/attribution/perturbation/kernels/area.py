"""The area term; see `area.area_term`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from videovisual.attribution.perturbation.kernels.compiling import (
    ONE,
    ZERO,
    Floats,
    Integers,
    compiled,
)

DIGIT = 10
"""Bits of a float32 in [0, 2) that are counted at once; it has three times as many."""

BINS = 2**DIGIT


@compiled
def border(values: Floats, count: int) -> tuple[np.float32, int, int]:
    """The `count`-th largest of values in [0, 2), how many are larger, and how many are the same.

    Such numbers are in order as the integers of the same bits are: their highest bits are counted,
    then the next ones of those that may be it, and at last the lowest.
    """
    left, room = values.view(np.int32), np.empty(len(values), np.int32)
    # Twice, so that equal numbers side by side don't wait for each other.
    bins, odd_bins = np.zeros(BINS, np.int32), np.zeros(BINS, np.int32)
    found, larger = np.int32(0), 0
    for shift in (2 * DIGIT, DIGIT, 0):
        bins[:] = 0
        odd_bins[:] = 0
        for i in range(0, len(left) - 1, 2):
            bins[(left[i] >> shift) & (BINS - 1)] += 1
            odd_bins[(left[i + 1] >> shift) & (BINS - 1)] += 1
        if len(left) % 2:
            bins[(left[-1] >> shift) & (BINS - 1)] += 1
        digit = BINS - 1
        while digit > 0 and larger + bins[digit] + odd_bins[digit] < count:
            larger += bins[digit] + odd_bins[digit]
            digit -= 1
        found += np.int32(digit << shift)
        many = 0
        for i in range(len(left)):
            rest = left[i] - np.int32(digit << shift)
            room[many] = rest
            many += 0 <= rest < (1 << shift)
        left = room[:many]
    return np.int32(found).view(np.float32), larger, many


@compiled
def area_terms(
    values: Floats,
    counts: Integers,
    weight: np.float32,
    gradient: Floats,
    terms: NDArray[np.float64],
) -> None:
    """As `area.area_term`, with `weight` times its gradient.

    Args:
        values: [N, size] in [0, 1].
        counts: int64 [N].
        weight: of the gradient.
        gradient: → [N, size].
        terms: → [N].
    """
    size = values.shape[1]
    scale = weight * np.float32(2 / size)
    for row in range(len(values)):
        least, larger, same = border(values[row], counts[row])
        share = np.float32((counts[row] - larger) / same)
        into, total = gradient[row], 0.0
        for i in range(size):
            value = values[row, i]
            step = ONE if value > least else ZERO
            off = value - (share if value == least else step)
            into[i] = scale * off
            total += np.float64(off) * np.float64(off)
        terms[row] = (total + share * (ONE - share) * same) / size
