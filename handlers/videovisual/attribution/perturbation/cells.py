"""A smooth field on a coarse grid of space-time, and its adjoint."""

from math import ceil

import torch
from torch.nn import functional as F

Matrices = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Cells:
    """A grid of cells over a clip, interpolated linearly along time, rows and columns.

    By a product of matrices, whose adjoint is deterministic on every device.

    Args:
        shape: (T, H, W) of the clip.
        rows: cells along a frame's height; as many a pixel along its width.
        frames: of a cell. Networks whose first layer has a temporal stride of two can't tell two
            neighbouring frames apart.
        reach: cells before and after a frame's own that count for it too, less the further away.
            A network that sees motion loses it in a mask that changes from frame to frame.
        device: of the fields.

    Attributes:
        shape: (t, h, w), the number of cells.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        rows: int,
        frames: int,
        device: torch.device | str,
        reach: int = 0,
    ) -> None:
        length, height, width = shape
        rows = min(rows, height)
        self.shape = (ceil(length / frames), rows, max(1, round(rows * width / height)))
        time, *sides = (
            _interpolation(cells, size) for cells, size in zip(self.shape, shape, strict=True)
        )
        along = (_weighted_means(self.shape[0], reach) @ time, *sides)
        self._along: Matrices = tuple(each.to(device) for each in along)  # type: ignore[assignment]

    def enlarge(self, fields: torch.Tensor) -> torch.Tensor:
        """[A, t, h, w] → [A, T, H, W]."""
        time, rows, columns = self._along
        frames = rows.T @ (fields @ columns)
        return torch.einsum("athw,tT->aThw", frames, time)

    def reduce(self, values: torch.Tensor) -> torch.Tensor:
        """The adjoint: each cell's weighted sum of [A, T, H, W] → [A, t, h, w]."""
        time, rows, columns = self._along
        return torch.einsum("aThw,tT->athw", rows @ values @ columns.T, time)


def _interpolation(cells: int, size: int) -> torch.Tensor:
    """Linear interpolation along one side as a matrix [cells, size]."""
    return F.interpolate(torch.eye(cells)[None], size, mode="linear", align_corners=False)[0]


def _weighted_means(size: int, reach: int) -> torch.Tensor:
    """Triangular weighted means along one side as a matrix [size, size]; its ends repeat."""
    means = torch.zeros(size, size)
    places = torch.arange(size)
    for offset in range(-reach, reach + 1):
        share = torch.full((size,), (1 + reach - abs(offset)) / (1 + reach) ** 2)
        means.index_put_(((places + offset).clamp(0, size - 1), places), share, accumulate=True)
    return means
