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
        device: of the fields.

    Attributes:
        shape: (t, h, w), the number of cells.
    """

    def __init__(
        self, shape: tuple[int, int, int], rows: int, frames: int, device: torch.device | str
    ) -> None:
        length, height, width = shape
        rows = min(rows, height)
        self.shape = (ceil(length / frames), rows, max(1, round(rows * width / height)))
        self._along: Matrices = tuple(  # type: ignore[assignment]
            _interpolation(cells, size).to(device)
            for cells, size in zip(self.shape, shape, strict=True)
        )

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
