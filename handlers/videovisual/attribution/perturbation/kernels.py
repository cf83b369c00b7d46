"""What a search computes around a network's pass, compiled: needs Numba, the extra `fast`.

Loops that go over their numbers once, where torch's operators go over them many times. Each runs
in one thread, and without Python's lock. All arrays are contiguous. What is said to be *framed*
has `radius` more cells around its own rows and columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from videovisual.attribution.perturbation.mask import COLDNESS

Floats = NDArray[np.float32]
Integers = NDArray[np.int32]
Function = TypeVar("Function", bound=Callable[..., Any])

MATHS = {"contract", "nsz", "arcp", "reassoc"}
"""What the compiler may take liberties with; not whether numbers are finite."""

ZERO, ONE, HALF = np.float32(0), np.float32(1), np.float32(0.5)
COLD = np.float32(COLDNESS)
NINE_16TH, ONE_16TH = np.float32(9 / 16), np.float32(1 / 16)

LN_2_HEAD = np.float32(355 / 512)
LN_2_TAIL = np.float32(np.log(2) - 355 / 512)
ONE_OVER_LN_2 = np.float32(1 / np.log(2))
TAYLOR = tuple(np.float32(1 / divisor) for divisor in (5040, 720, 120, 24, 6, 2))

BLOCK = 128
"""Pixels whose levels are read together."""

DIGIT = 10
"""Bits of a float32 in [0, 2) that are counted at once; it has three times as many."""

BINS = 2**DIGIT


def compiled(function: Function) -> Function:
    """Compile a function when it is first called, and keep that on the disk where one may write."""
    options: dict[str, Any] = {"nogil": True, "fastmath": MATHS, "error_model": "numpy"}
    try:
        return cast(Function, numba.njit(cache=True, **options)(function))
    except RuntimeError:
        return cast(Function, numba.njit(**options)(function))


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
def _add(values: Floats, weight: np.float32, into: Floats) -> None:
    """Adds values, weighted, one by one."""
    for i in range(len(into)):
        into[i] += weight * values[i]


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
                _add(inner, ONE, gradient[frame, at])
                continue
            _add(inner, -ONE_16TH, gradient[frame, max(at - 1, 0)])
            _add(inner, NINE_16TH, gradient[frame, at])
            _add(inner, NINE_16TH, gradient[frame, min(at + 1, rows - 1)])
            _add(inner, -ONE_16TH, gradient[frame, min(at + 2, rows - 1)])


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
                _add(part, ONE, cells[area, frame - apart].reshape(rows * columns))
            if 0 < apart < length - frame:
                _add(part, ONE, cells[area, frame + apart].reshape(rows * columns))


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
                _add(pull[area, frame - apart].reshape(rows * columns), ONE, part)
            if 0 < apart < length - frame:
                _add(pull[area, frame + apart].reshape(rows * columns), ONE, part)
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
