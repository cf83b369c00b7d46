"""Smooth masks; see `mask.SmoothMasks`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from videovisual.attribution.perturbation.kernels.compiling import (
    HALF,
    ONE,
    ZERO,
    Floats,
    Integers,
    add,
    compiled,
)
from videovisual.attribution.perturbation.mask import COLDNESS

COLD = np.float32(COLDNESS)
NINE_16TH, ONE_16TH = np.float32(9 / 16), np.float32(1 / 16)

LN_2_HEAD = np.float32(355 / 512)
LN_2_TAIL = np.float32(np.log(2) - 355 / 512)
ONE_OVER_LN_2 = np.float32(1 / np.log(2))
TAYLOR = tuple(np.float32(1 / divisor) for divisor in (5040, 720, 120, 24, 6, 2))


@compiled
def exponential(x: np.float32) -> np.float32:
    """exp(x) to the last bit or two: a power of two, and a series for the rest."""
    power = np.floor(x * ONE_OVER_LN_2 + HALF)
    rest = (x - power * LN_2_HEAD) - power * LN_2_TAIL
    series = TAYLOR[0]
    for factor in TAYLOR[1:]:
        series = series * rest + factor
    series = (series * rest + ONE) * rest + ONE
    two = np.int32((np.int32(power) + np.int32(127)) << np.int32(23)).view(np.float32)
    return np.float32(series * two)


@compiled
def soft_maxima(
    coarse: Floats,
    kernel: Floats,
    distance: Integers,
    powers: Floats,
    totals: Floats,
    values: Floats,
    full: Floats,
) -> None:
    """Σ y exp(c y) / Σ exp(c y) over the cells around each pixel, y = kernel · cell.

    Args:
        coarse: [rows, columns, N], framed by 0.
        kernel, distance: float32 and int32, of a `Neighbourhood`.
        powers: → exp(c y) of each distance, [D, rows, columns, N], framed by 1.
        totals, values: → the denominator and the quotient, [rows, step, step, columns, N].
        full: → the quotient, [N, rows * step, columns * step].
    """
    rows, step, _, columns, count = totals.shape
    size = distance.shape[2]
    width, line, plane = columns * count, coarse.shape[1] * count, coarse.size
    cells, terms = coarse.reshape(coarse.size), powers.reshape(powers.size)
    inset = size // 2 * (line + count)
    for place, weight in enumerate(kernel):
        cold = COLD * weight
        for start in range(inset, inset + rows * line, line):
            given = cells[start : start + width]
            term = terms[place * plane + start : place * plane + start + width]
            for i in range(width):
                term[i] = exponential(cold * given[i])
    total, value = np.empty(width, np.float32), np.empty(width, np.float32)
    for row, down, right in np.ndindex(rows, step, step):
        total[:] = ZERO
        value[:] = ZERO
        for over, aside in np.ndindex(size, size):
            which = distance[down, right, over, aside]
            start = (row + over) * line + aside * count
            given = cells[start : start + width]
            term = terms[which * plane + start : which * plane + start + width]
            weight = kernel[which]
            for i in range(width):
                total[i] += term[i]
                value[i] += term[i] * (weight * given[i])
        for i in range(width):
            value[i] /= total[i]
        totals[row, down, right].reshape(width)[:] = total
        values[row, down, right].reshape(width)[:] = value
        for frame in range(count):
            pixels = full[frame, row * step + down]
            for column in range(columns):
                pixels[column * step + right] = value[column * count + frame]


@compiled
def soft_maxima_pull(
    pull: Floats,
    coarse: Floats,
    kernel: Floats,
    distance: Integers,
    powers: Floats,
    totals: Floats,
    values: Floats,
    slopes: Floats,
    offsets: Floats,
    gradient: Floats,
) -> None:
    """The gradient of `soft_maxima`: kernel · softmax · (1 + c (y − value)), summed over pixels.

    Args:
        pull: the gradient at `full`.
        coarse, kernel, distance, powers, totals, values: as `soft_maxima` left them.
        slopes, offsets: room for what pixels pull by, [rows, step, step, columns, N], whose columns
            are framed by 0.
        gradient: → [rows, columns, N].
    """
    rows, step, _, columns, count = totals.shape
    size = distance.shape[2]
    radius = size // 2
    width, line, plane = columns * count, coarse.shape[1] * count, coarse.size
    inset = radius * count
    for row, down, right in np.ndindex(rows, step, step):
        slope = slopes[row, down, right].reshape(line)[inset : inset + width]
        offset = offsets[row, down, right].reshape(line)[inset : inset + width]
        total = totals[row, down, right].reshape(width)
        value = values[row, down, right].reshape(width)
        for frame in range(count):
            pixels = pull[frame, row * step + down]
            for column in range(columns):
                slope[column * count + frame] = pixels[column * step + right]
        for i in range(width):
            slope[i] /= total[i]
            offset[i] = slope[i] * (ONE - COLD * value[i])
    cells, terms = coarse.reshape(coarse.size), powers.reshape(powers.size)
    tilts, lifts = slopes.reshape(slopes.size), offsets.reshape(offsets.size)
    felt = np.empty(width, np.float32)
    for row in range(rows):
        own = (row + radius) * line + inset
        given = cells[own : own + width]
        felt[:] = ZERO
        for over in range(max(0, row + radius - rows + 1), min(size, row + radius + 1)):
            for down, right, aside in np.ndindex(step, step, size):
                which = distance[down, right, over, aside]
                term = terms[which * plane + own : which * plane + own + width]
                start = (((row + radius - over) * step + down) * step + right) * line
                start += (size - 1 - aside) * count
                tilt, lift = tilts[start : start + width], lifts[start : start + width]
                weight = kernel[which]
                for i in range(width):
                    y = weight * given[i]
                    felt[i] += (weight * term[i]) * (lift[i] + COLD * y * tilt[i])
        gradient[row].reshape(width)[:] = felt


@compiled
def doubled(low: Floats, full: Floats, inside: NDArray[np.bool_]) -> None:
    """Cubic convolution, as `SmoothMasks` has it.

    Args:
        low: [N, h, w].
        full: → the first pixels of its double, cut to [0, 1], [N, H, W].
        inside: → whether a pixel was not cut.
    """
    count, height, width = full.shape
    rows, columns = low.shape[1:]
    line = np.empty(columns + 3, np.float32)
    wide = np.empty(2 * columns, np.float32)
    for frame in range(count):
        for row in range(height):
            at, inner = row // 2, line[1 : columns + 1]
            if row % 2 == 0:
                inner[:] = low[frame, at]
            else:
                before, left = low[frame, max(at - 1, 0)], low[frame, at]
                right, after = low[frame, min(at + 1, rows - 1)], low[frame, min(at + 2, rows - 1)]
                for i in range(columns):
                    inner[i] = NINE_16TH * (left[i] + right[i]) - ONE_16TH * (before[i] + after[i])
            line[0], line[columns + 1], line[columns + 2] = line[1], line[columns], line[columns]
            for i in range(columns):
                wide[2 * i] = line[i + 1]
                wide[2 * i + 1] = NINE_16TH * (line[i + 1] + line[i + 2]) - ONE_16TH * (
                    line[i] + line[i + 3]
                )
            out, kept = full[frame, row], inside[frame, row]
            for i in range(width):
                # So that what is not a number stays so.
                value = ZERO if wide[i] < ZERO else wide[i]
                out[i] = ONE if value > ONE else value
                kept[i] = wide[i] == out[i]


@compiled
def doubled_pull(pull: Floats, inside: NDArray[np.bool_], gradient: Floats) -> None:
    """The gradient of `doubled` at `low`.

    Args:
        pull: the gradient at `full`.
        inside: as `doubled` left it.
        gradient: → [N, h, w].
    """
    count, height, width = pull.shape
    rows, columns = gradient.shape[1:]
    line = np.empty(columns + 3, np.float32)
    wide = np.zeros(2 * columns, np.float32)
    gradient[:] = ZERO
    for frame in range(count):
        for row in range(height):
            felt, kept = pull[frame, row], inside[frame, row]
            for i in range(width):
                wide[i] = felt[i] if kept[i] else ZERO
            line[:] = ZERO
            for i in range(columns):
                line[i + 1] += wide[2 * i]
            for place, weight in enumerate((-ONE_16TH, NINE_16TH, NINE_16TH, -ONE_16TH)):
                shifted = line[place : place + columns]
                for i in range(columns):
                    shifted[i] += weight * wide[2 * i + 1]
            line[1] += line[0]
            line[columns] += line[columns + 1] + line[columns + 2]
            inner, at = line[1 : columns + 1], row // 2
            if row % 2 == 0:
                add(inner, ONE, gradient[frame, at])
                continue
            add(inner, -ONE_16TH, gradient[frame, max(at - 1, 0)])
            add(inner, NINE_16TH, gradient[frame, at])
            add(inner, NINE_16TH, gradient[frame, min(at + 1, rows - 1)])
            add(inner, -ONE_16TH, gradient[frame, min(at + 2, rows - 1)])
