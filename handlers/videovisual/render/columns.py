"""The frames that a still picture shows, the same ones for all its maps of one clip."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from videovisual.errors import InvalidParameter
from videovisual.render.panel import Panel
from videovisual.saliency import Map

Columns = int | Sequence[float]
"""How many frames a picture shows; or their times in seconds, or, of a clip without timestamps,
their numbers in it. The nearest frames are shown; of frames that the
network's first layer moves over at once, the strongest."""

DEFAULT = 8


def columns_of(panels: Sequence[Panel], columns: Columns) -> npt.NDArray[np.int64]:
    """Choose the frames that a picture shows of every panel.

    Args:
        panels: at least one, all with the same number of frames and the same timestamps.
        columns: how many, or which.

    Returns:
        int64 [at most T], increasing.

    Raises:
        InvalidParameter: `columns` is below 1, or has no times.
    """
    first = panels[0].saliency
    curve = np.mean([panel.saliency.curve() for panel in panels], axis=0)
    stride = first.provenance.get("temporal_stride") or 1
    if isinstance(columns, int):
        if columns < 1:
            raise _no_columns()
        return choose(curve, min(columns, len(curve)), stride)
    if not len(columns):
        raise _no_columns()
    clock = np.array(panels[0].clock)
    wanted = np.asarray(columns, np.float64)
    return _strongest(curve, np.abs(clock - wanted[:, None]).argmin(axis=1), stride)


def choose(curve: Map, count: int, stride: int = 1) -> npt.NDArray[np.int64]:
    """Choose frames at even steps, one of which is moved to the strongest frame; one alone is it.

    Args:
        curve: shares [T], as of `Saliency.curve`.
        count: number of frames, at most T.
        stride: how many frames the network's first layer moves at once. Gradients mark one frame of
            each such group alone, so the strongest frame of a group stands for it.

    Returns:
        int64 [count], increasing; fewer where two fall into one group.
    """
    if count == 1:
        return np.array([curve.argmax()])
    even = np.linspace(0, len(curve) - 1, count).round().astype(np.int64)
    chosen = _strongest(curve, even, stride)
    strongest = int(curve.argmax())
    if count > 2 and strongest not in chosen:
        chosen[1 + np.abs(chosen[1:-1] - strongest).argmin()] = strongest
    return chosen


def _strongest(curve: Map, chosen: npt.NDArray[np.int64], stride: int) -> npt.NDArray[np.int64]:
    """The strongest frame of each group of `stride` frames that has a chosen one."""
    starts = np.unique(chosen // stride) * stride
    return np.array([start + curve[start : start + stride].argmax() for start in starts])


def _no_columns() -> InvalidParameter:
    return InvalidParameter(
        "The picture has no columns. Give a number of at least 1, or the frames' times.",
        parameter="columns",
    )
