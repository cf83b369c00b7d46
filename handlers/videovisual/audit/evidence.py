"""Where in a clip the evidence lies: shares of a saliency map."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from videovisual.audit.changes import parts
from videovisual.saliency import Map

CELLS = 5
"""Cells of the picture along each side, between which a place in the picture is told apart."""


@dataclass(frozen=True)
class Share:
    """A share of a map's evidence.

    Attributes:
        value: in [0, 1].
        even: the share that a map has which is the same everywhere.
    """

    value: float
    even: float

    @property
    def mostly(self) -> bool:
        """Whether the share is nearer to all of the evidence than to what an even map has."""
        return self.value > (1 + self.even) / 2


@dataclass(frozen=True)
class Evidence:
    """A map's evidence, its magnitudes, which sum to 1.

    Attributes:
        shares: `one_frame`, in the frame that has most; `border`; and `background`, outside of
            what moves, where that can be told.
        cells: float64 [parts, CELLS, CELLS], the evidence in each part and cell.
        strongest: the frame that has most.
    """

    shares: Mapping[str, Share]
    cells: npt.NDArray[np.float64]
    strongest: int


def evidence(
    values: Map, border: npt.NDArray[np.bool_], moving: npt.NDArray[np.bool_] | None
) -> Evidence | None:
    """Measure a map; None for a map without evidence, or whose evidence is everywhere the same.

    Args:
        values: float32 [T, H, W].
        border: bool [H, W].
        moving: bool [H, W], or None where that can't be told.
    """
    size = np.abs(values).astype(np.float64)
    total = size.sum()
    if not total or np.ptp(size) == 0:
        return None
    size /= total
    frames, height, width = size.shape
    curve, picture = size.sum(axis=(1, 2)), size.sum(axis=0)
    shares = {
        "one_frame": Share(float(curve.max()), 1 / frames),
        "border": Share(float(picture[border].sum()), float(border.mean())),
    }
    if moving is not None:
        shares["background"] = Share(float(picture[~moving].sum()), float((~moving).mean()))
    rows, columns = (
        [round(number * side / CELLS) for number in range(CELLS)] for side in (height, width)
    )
    moments = np.add.reduceat(size, [start for start, _ in parts(frames)], axis=0)
    cells = np.add.reduceat(np.add.reduceat(moments, rows, axis=1), columns, axis=2)
    return Evidence(shares, cells, int(curve.argmax()))
