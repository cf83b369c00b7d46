"""Superpixels cover the clip, and those by colour follow its edges."""

from __future__ import annotations

import pytest
import torch

from videovisual.attribution.superpixels import LARGEST, by_colour, grid


def test_boxes_of_a_grid_are_of_equal_size() -> None:
    regions = grid((6, 8, 10), (3, 2, 5))
    assert regions.shape == (6, 8, 10)
    assert regions.flatten().bincount().tolist() == [2 * 4 * 2] * 30
    assert regions[0, 0].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert regions[2, 4, 0] == 3 * 5


def test_there_are_no_more_boxes_than_pixels() -> None:
    assert grid((2, 3, 3), (8, 8, 8)).flatten().bincount().tolist() == [1] * 18


@pytest.mark.parametrize("side", [24, 2 * LARGEST])
def test_regions_of_one_colour_end_at_its_edge(side: int) -> None:
    clip = torch.zeros(3, 4, side, side)
    inside = torch.zeros(4, side, side, dtype=torch.bool)
    inside[:, side // 4 : side // 2, side // 8 : side // 2] = True
    clip[:, inside] = 1.0
    regions = by_colour(clip, (2, 4, 4))
    assert regions.shape == clip.shape[1:]
    assert not set(regions[inside].tolist()) & set(regions[~inside].tolist())
    assert regions.unique().tolist() == list(range(int(regions.max()) + 1))
    assert set(grid((4, side, side), (2, 4, 4))[inside].tolist()) & set(
        grid((4, side, side), (2, 4, 4))[~inside].tolist()
    )


def test_a_clip_of_one_colour_keeps_the_grid() -> None:
    regions = by_colour(torch.full((3, 4, 16, 16), 0.3), (2, 4, 4))
    assert torch.equal(regions, grid((4, 16, 16), (2, 4, 4)))
