"""The ways in which a search by worth hides pixels."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from tests.unit.attribution.perturbation.conftest import SHAPE

from videovisual.attribution.method import Case
from videovisual.attribution.perturbation.hiding import (
    EDGES,
    LEAST_SHOWN,
    Blotches,
    Ways,
    cut_to,
    feather,
)


def test_it_cycles_through_all_fills_with_all_edges(case: Case) -> None:
    ways = Ways(case, "blur")
    pairs = {(ways[index].fill.data_ptr(), ways[index].width) for index in range(4 * len(EDGES))}
    # Two of the edges are hard.
    assert len(pairs) == 4 * len(set(EDGES))
    assert {width for _, width in pairs} == {edge * case.card.blur_sigma for edge in EDGES}


def test_fading_hides_by_the_middle_of_the_space_alone(case: Case) -> None:
    ways = Ways(case, "fade")
    assert not any(ways[index].fill.any() for index in range(10))


def test_a_way_shows_the_clip_inside_and_the_fill_outside(case: Case) -> None:
    way = Ways(case, "blur")[0]
    mask = torch.zeros(1, *SHAPE)
    mask[:, 1] = 1
    (shown,) = way.clips(case.clip, mask)
    assert torch.equal(shown[:, 1], case.clip[:, 1])
    assert torch.equal(shown[:, 0], way.fill[:, 0])


def test_random_masks_vary_and_are_the_same_in_every_search(case: Case) -> None:
    def draws(seed: int) -> torch.Tensor:
        blotches = Blotches(dataclasses.replace(case, seed=seed))
        return torch.cat([blotches.draw(torch.device("cpu")) for _ in range(20)])

    masks = draws(3)
    assert torch.equal(masks, draws(4))
    shares = masks.mean(dim=(1, 2, 3))
    assert shares.min() >= LEAST_SHOWN - 1e-3
    assert shares.max() - shares.min() > 0.3


def test_a_cut_has_exactly_the_area_of_each() -> None:
    masks = cut_to(torch.randn(2, *SHAPE), [0.1, 0.5])
    assert masks.sum(dim=(1, 2, 3)).tolist() == [
        round(0.1 * masks[0].numel()),
        masks[0].numel() / 2,
    ]


@pytest.mark.parametrize("width", [0.0, 2.0])
def test_a_feathered_edge_keeps_the_range_and_a_mask_of_ones(width: float) -> None:
    masks = feather(
        torch.stack([torch.ones(SHAPE), cut_to(torch.randn(1, *SHAPE), [0.3])[0]]), width
    )
    torch.testing.assert_close(masks[0], torch.ones(SHAPE))
    assert masks.min() >= 0
    assert masks.max() <= 1 + 1e-5
