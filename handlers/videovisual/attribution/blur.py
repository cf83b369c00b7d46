"""Gaussian blur of frames."""

from math import ceil

import torch


def blur(frames: torch.Tensor, sigma: float) -> torch.Tensor:
    """Convolve each frame with a Gaussian; pixels outside of a frame are 0, the space's middle.

    Args:
        frames: float32 [..., H, W].
        sigma: standard deviation in pixels; the kernel ends at four of them.
    """
    if sigma == 0:
        return frames
    height, width = frames.shape[-2:]
    return _band(height, sigma, frames) @ frames @ _band(width, sigma, frames)


def _band(size: int, sigma: float, like: torch.Tensor) -> torch.Tensor:
    """The convolution along one side as a symmetric matrix [size, size]."""
    reach = ceil(4 * sigma)
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = torch.exp(-(offsets**2) / (2 * sigma**2))
    places = torch.arange(size, dtype=torch.float64)
    distance = places[:, None] - places
    band = torch.exp(-(distance**2) / (2 * sigma**2)) / kernel.sum()
    return band.where(distance.abs() <= reach, 0).to(like)
