"""Two maps of one clip on one grid, though their models see other frames or another crop."""

import numpy as np
import numpy.typing as npt

from videovisual.faithfulness import membership, similarity
from videovisual.saliency import Map, Saliency

TOP = 0.1
"""The share of all points that the overlap is about; random maps overlap by the same share."""

Places = npt.NDArray[np.float64]


def aligned(first: Saliency, second: Saliency) -> tuple[Map, Map] | None:
    """Both maps at the points of the coarser grid that both models see.

    Args:
        first, second: maps [T, H, W] of one clip, whose provenance gives crop and frames.

    Returns:
        Two maps of one shape, float32 [t, h, w]; None if the models see no common part.
    """
    axes = [_shared(one, other) for one, other in zip(_axes(first), _axes(second), strict=True)]
    if any(not len(one) for one, _ in axes):
        return None
    picks = [np.ix_(*(axis[number] for axis in axes)) for number in (0, 1)]
    return first.map[picks[0]], second.map[picks[1]]


def agreement(first: Map, second: Map) -> tuple[float | None, float]:
    """How far two maps of one shape agree, by their magnitudes.

    Returns:
        Spearman's rank correlation, None where one map is the same everywhere; and of the strongest
        tenth of all points of each map, the share that both have, in [0, 1].
    """
    one, other = (membership(np.abs(values), TOP) for values in (first, second))
    shared = float(np.minimum(one, other).sum() / one.sum())
    return similarity(first, second), shared


def _axes(saliency: Saliency) -> tuple[Places, Places, Places]:
    """The places of a map's frames, rows and columns in the source."""
    frames, height, width = saliency.map.shape
    facts = saliency.provenance
    indices = np.asarray(facts.get("frame_indices") or range(frames), np.float64)
    crop = facts.get("crop") or {"top": 0, "left": 0, "height": height, "width": width}
    rows = crop["top"] + (np.arange(height) + 0.5) * crop["height"] / height
    columns = crop["left"] + (np.arange(width) + 0.5) * crop["width"] / width
    return indices, rows, columns


def _shared(first: Places, second: Places) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The points of the coarser axis that lie on the other too, and the nearest ones there."""
    if len(first) > len(second):
        there, here = _shared(second, first)
        return here, there
    reach = _spacing(second) / 2 + 1e-6
    nearest = np.abs(first[:, None] - second[None]).argmin(axis=1)
    inside = np.flatnonzero(np.abs(first - second[nearest]) <= reach)
    return inside, nearest[inside]


def _spacing(places: Places) -> float:
    return float(np.diff(places).max()) if len(places) > 1 else np.inf
