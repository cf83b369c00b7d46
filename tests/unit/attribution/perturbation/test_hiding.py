"""The ways in which a search by worth hides pixels."""

from __future__ import annotations

import dataclasses
from math import exp, floor, log

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
    ramp_to,
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


def test_a_ramp_is_half_at_each_area_and_follows_the_logarithm_of_the_rank() -> None:
    fields = torch.stack([torch.arange(100.0), -torch.arange(100.0)]).view(2, 1, 10, 10)
    masks = ramp_to(fields, [0.2, 0.5], 0.8).flatten(1)
    assert masks[0, 80].item() == masks[1, 49].item() == 0.5
    assert masks[0, 78].item() == pytest.approx(0.5 + log(20 / 22) / 0.8)
    for mask, area in zip((masks[0].flip(0), masks[1]), (0.2, 0.5), strict=True):
        assert (mask.diff() <= 0).all()
        assert (mask == 1).sum().item() == floor(100 * area * exp(-0.4))
        assert (mask > 0).sum().item() == floor(100 * area * exp(0.4))


def test_a_ramp_changes_little_where_its_field_does() -> None:
    field = torch.randn(1, *SHAPE, generator=torch.Generator().manual_seed(0))
    other = field + 1e-3 * torch.randn(field.shape, generator=torch.Generator().manual_seed(1))
    hard = cut_to(field, [0.2]) - cut_to(other, [0.2])
    soft = ramp_to(field, [0.2], 0.8) - ramp_to(other, [0.2], 0.8)
    assert hard.abs().max() == 1
    assert soft.abs().max() < 0.05


@pytest.mark.parametrize("width", [0.0, 2.0])
def test_a_feathered_edge_keeps_the_range_and_a_mask_of_ones(width: float) -> None:
    masks = feather(
        torch.stack([torch.ones(SHAPE), cut_to(torch.randn(1, *SHAPE), [0.3])[0]]), width
    )
    torch.testing.assert_close(masks[0], torch.ones(SHAPE))
    assert masks.min() >= 0
    assert masks.max() <= 1 + 1e-5
