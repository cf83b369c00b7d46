"""Superpixels: the regions of space-time that a method hides as a whole."""

import torch
from torch.nn import functional as F

Cells = tuple[int, int, int]
"""How many regions there are along frames, rows and columns."""

LARGEST = 64
"""The longest side of the clip whose pixels are clustered; a larger one is shrunk for it."""

ROUNDS = 10
"""Steps of the clustering, as in SLIC's paper."""

COMPACTNESS = 0.5
"""Weight of a pixel's place, in cells, against its colour, in standard deviations."""

CHUNK = 4096
"""Pixels whose distances from all centres are computed at once."""


def grid(shape: Cells, cells: Cells) -> torch.Tensor:
    """Boxes of equal size.

    Args:
        shape: frames, rows and columns of the clip.
        cells: numbers of boxes along them, at most one a frame or pixel.

    Returns:
        int64 [T, H, W], the number of each pixel's box, counted from 0.
    """
    counts = [min(count, size) for count, size in zip(cells, shape, strict=True)]
    frames, rows, columns = (
        torch.arange(size) * count // size for count, size in zip(counts, shape, strict=True)
    )
    return (frames[:, None, None] * counts[1] + rows[:, None]) * counts[2] + columns


def by_colour(clip: torch.Tensor, cells: Cells) -> torch.Tensor:
    """Regions of similar colour that are near in space and time.

    k-means of colour and place that starts from `grid`, as in SLIC (Achanta et al. 2012,
    https://doi.org/10.1109/TPAMI.2012.120), without its last step: a region may have several parts.

    Args:
        clip: float32 [3, T, H, W], on the CPU.
        cells: as in `grid`.

    Returns:
        int64 [T, H, W], the number of each pixel's region; every number up to the largest occurs.
    """
    frames, height, width = (min(size, LARGEST) for size in clip.shape[1:])
    sizes = (frames, height, width)
    small = F.adaptive_avg_pool3d(clip[None], sizes)[0]
    labels = grid(sizes, cells).flatten()
    count = int(labels.max()) + 1
    points = torch.cat([_colours(small), COMPACTNESS * _places(sizes, cells)], dim=1)
    centres = torch.zeros(count, points.shape[1])
    for _ in range(ROUNDS):
        sums = torch.zeros_like(centres).index_add_(0, labels, points)
        members = labels.bincount(minlength=count)[:, None]
        centres = torch.where(members > 0, sums / members.clamp(min=1), centres)
        labels = torch.cat(
            [
                torch.cdist(points[start : start + CHUNK], centres).argmin(dim=1)
                for start in range(0, len(points), CHUNK)
            ]
        )
    labels = torch.unique(labels, return_inverse=True)[1].view(1, 1, *sizes)
    enlarged: torch.Tensor = F.interpolate(labels.double(), clip.shape[1:])[0, 0].long()
    return enlarged


def _colours(clip: torch.Tensor) -> torch.Tensor:
    """The pixels' colours in standard deviations from their mean: float32 [T·H·W, 3]."""
    return ((clip - clip.mean()) / clip.std().clamp(min=1e-3)).flatten(1).T


def _places(sizes: Cells, cells: Cells) -> torch.Tensor:
    """The pixels' places in cells: float32 [T·H·W, 3]."""
    axes = [
        torch.arange(size) * (min(count, size) / size)
        for size, count in zip(sizes, cells, strict=True)
    ]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2)
