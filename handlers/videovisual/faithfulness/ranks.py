"""Agreement of two maps: correlations, ranks, and the overlap of their highest values."""

import numpy as np
import numpy.typing as npt

from videovisual.saliency import Map

Mask = npt.NDArray[np.bool_]


def similarity(first: Map, second: Map) -> float | None:
    """Spearman's rank correlation of two maps' magnitudes, -1 to 1; equal values share their ranks.

    A method whose maps of a trained and a randomised network are similar explains the clip, not
    the network. None where it is undefined: a map's magnitudes are all the same.
    """
    return correlation(_ranks(np.abs(first)), _ranks(np.abs(second)))


def correlation(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> float | None:
    """Pearson's correlation of all values; None where either side doesn't vary."""
    one, other = (np.asarray(side, np.float64).ravel() for side in (first, second))
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(np.corrcoef(one, other)[0, 1])


def overlap(first: Map, second: Map, area: float) -> float:
    """Intersection over union of two maps' highest values, the share `area` of each.

    Pixels that are equal at the edge of that share belong to it in equal parts.
    """
    one, other = membership(first, area), membership(second, area)
    return float(np.minimum(one, other).sum() / np.maximum(one, other).sum())


def top_share(values: Map, area: float) -> Mask | None:
    """The share `area` of highest pixels, bool [T, H, W].

    Equal values belong to it together, so it is the nearest share that parts no equal values. None
    where that is more than twice the area: the map doesn't say which of its pixels are the first.
    """
    count = _top_count(values, area)
    levels, sizes = np.unique(values, return_counts=True)
    counts = np.cumsum(sizes[::-1])
    nearest = int(np.abs(counts - count).argmin())
    if counts[nearest] > 2 * count:
        return None
    shown: Mask = values >= levels[::-1][nearest]
    return shown


def membership(values: Map, area: float) -> npt.NDArray[np.float64]:
    """How much of each pixel belongs to the share `area` of highest values, 0 to 1."""
    count = _top_count(values, area)
    edge = np.partition(values, values.size - count, axis=None)[values.size - count]
    above, level = values > edge, values == edge
    members: npt.NDArray[np.float64] = above + (count - above.sum()) / level.sum() * level
    return members


def _ranks(values: Map) -> npt.NDArray[np.float64]:
    """Ranks from 1 of the flattened values; equal values have the mean of theirs."""
    _, level, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(sizes) - (sizes - 1) / 2)[level.ravel()]
    return ranks


def _top_count(values: Map, area: float) -> int:
    return max(1, round(area * values.size))
