"""STEP's core term against loops over pixels."""

from __future__ import annotations

import math

import pytest
import torch

from videovisual.attribution.perturbation.core import Core, ellipsoid


def test_the_ellipsoid_fills_pi_sixths_of_its_box() -> None:
    kernel = ellipsoid(7, 11)
    assert kernel.shape == (7, 11, 11)
    assert kernel.unique().tolist() == [0, 1]
    for axis in range(3):
        assert torch.equal(kernel, kernel.flip(axis))
    assert kernel[3].sum() > kernel[0].sum() > 0
    assert kernel[0, 0, 0] == 0
    assert kernel.mean().item() == pytest.approx(math.pi / 6, rel=0.05)


def test_a_cell_is_the_masks_mean_in_its_ellipsoid_inside_of_the_clip() -> None:
    shape, frames, side = (5, 12, 14), 3, 5
    masks = torch.rand(2, *shape)
    kernel = ellipsoid(frames, side)
    core = Core(shape, frames, side)
    rows, columns = math.ceil(shape[1] / side), math.ceil(shape[2] / side)
    top, left = (rows * side - shape[1]) // 2, (columns * side - shape[2]) // 2
    expected = torch.zeros(2, shape[0], rows, columns)
    for frame in range(shape[0]):
        for row in range(rows):
            for column in range(columns):
                start = (frame - frames // 2, row * side - top, column * side - left)
                covered, volume = torch.zeros(2), 0.0
                for offset in kernel.nonzero().tolist():
                    place = tuple(map(sum, zip(start, offset, strict=True)))
                    if all(0 <= at < size for at, size in zip(place, shape, strict=True)):
                        covered += masks[(slice(None), *place)]
                        volume += 1
                expected[:, frame, row, column] = covered / volume
    torch.testing.assert_close(core(masks), expected.flatten(1))
    assert core.size == shape[0] * rows * columns


def test_values_range_from_0_to_1() -> None:
    core = Core((16, 112, 112), 7, 11)
    assert core.size == 16 * 11 * 11
    values = core(torch.stack([torch.zeros(16, 112, 112), torch.ones(16, 112, 112)]))
    assert not values[0].any()
    torch.testing.assert_close(values[1], torch.ones(core.size))


def test_it_prefers_one_solid_region_to_a_scattered_mask_of_equal_area() -> None:
    """The purpose of the term: at equal area, few cells are full and the others empty."""
    shape = (5, 25, 25)
    core = Core(shape, 5, 5)
    solid, scattered = torch.zeros(2, *shape)
    solid[:, 5:15, 5:15] = 1
    scattered.view(-1)[torch.randperm(scattered.numel())[: int(solid.sum())]] = 1
    solid_cells, scattered_cells = core(torch.stack([solid, scattered]))
    assert (solid_cells * (1 - solid_cells)).mean() < 0.01
    assert (scattered_cells * (1 - scattered_cells)).mean() > 0.1
