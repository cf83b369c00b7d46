"""How far the maps of two methods agree."""

import numpy as np
import numpy.typing as npt

from videovisual.saliency import Map

CELLS = 16
"""Cells along each axis: methods differ in their finest detail, which is not compared."""


def agreement(first: Map, second: Map) -> float | None:
    """Spearman's rank correlation of two maps' magnitudes over a grid of cells, -1 to 1.

    `faithfulness.similarity` compares all pixels, and imports torch, which the viewer can lack.

    Args:
        first, second: float32 [T, H, W], of one classifier and one clip.

    Returns:
        None where the maps differ in shape, or one is the same everywhere.
    """
    if first.shape != second.shape:
        return None
    one, other = _ranks(_cells(first)), _ranks(_cells(second))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def _cells(values: Map) -> Map:
    """The mean magnitude of each cell."""
    values = np.abs(np.nan_to_num(values))
    for axis, size in enumerate(values.shape):
        starts = np.unique(np.linspace(0, size, min(size, CELLS), endpoint=False).astype(int))
        sizes = np.diff(np.append(starts, size)).reshape([-1 if i == axis else 1 for i in range(3)])
        values = (np.add.reduceat(values, starts, axis) / sizes).astype(np.float32)
    return values


def _ranks(values: Map) -> npt.NDArray[np.float64]:
    """Ranks of the flattened values; equal values have the mean of theirs."""
    _, level, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(sizes) - (sizes - 1) / 2)[level.ravel()]
    return ranks
