"""STEP's core term, which favours masks of few solid regions of space-time."""

from math import prod

import torch
from torch.nn import functional as F


class Core:
    """How much of the ellipsoid around each cell a mask fills (Li et al. 2021, arXiv 2005.00375).

    There are cells in every frame, `side` pixels apart. Only the part of an ellipsoid inside of the
    clip counts.

    Args:
        shape: (T, H, W) of the masks.
        frames: the ellipsoid's extent in time, an odd number of frames.
        side: the ellipsoid's height and width, and the distance of the cells, in pixels.
        device: of the masks.

    Attributes:
        ellipsoid: [frames, side, side], 1 inside.
        volume: the pixels of each ellipsoid inside of the clip, [1, T, rows, columns].
        size: number of cells.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        frames: int,
        side: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.ellipsoid = ellipsoid(frames, side).to(device)
        self._padding = [margin for size in shape[:0:-1] for margin in _margins(size, side)]
        self._slices = self.ellipsoid.flatten(1).T
        self._side = side
        self.volume = self._sums(torch.ones(1, *shape, device=device))
        self.size = prod(self.volume.shape[1:])

    def __call__(self, masks: torch.Tensor) -> torch.Tensor:
        """Masks [N, T, H, W] → mean of the mask in each cell's ellipsoid, [N, size]."""
        return (self._sums(masks) / self.volume).flatten(1)

    def _sums(self, masks: torch.Tensor) -> torch.Tensor:
        """[N, T, H, W] → [N, T, rows, columns]: each square times each slice, summed over time.

        By a matrix product, since the squares don't overlap: a convolution of one channel takes
        longer than a small network.
        """
        padded = F.pad(masks, self._padding)
        count, length, height, width = padded.shape
        side, frames = self._side, self._slices.shape[1]
        split = padded.view(count, length, height // side, side, width // side, side)
        squares = split.transpose(3, 4).flatten(4)
        sums = F.pad(squares @ self._slices, [0, 0, 0, 0, 0, 0, frames // 2, frames // 2])
        return sum(
            (sums[:, start : start + length, ..., start] for start in range(frames)),
            start=sums.new_zeros(()),
        )


def ellipsoid(frames: int, side: int) -> torch.Tensor:
    """1 inside of the ellipsoid that fits a box, 0 outside: float32 [frames, side, side]."""
    axes = [(torch.arange(size) - (size - 1) / 2) / (size / 2) for size in (frames, side, side)]
    time, row, column = torch.meshgrid(*axes, indexing="ij")
    return (time**2 + row**2 + column**2 <= 1).float()


def _margins(size: int, side: int) -> tuple[int, int]:
    """The padding of both sides that makes a whole number of cells."""
    missing = -size % side
    return missing // 2, missing - missing // 2
