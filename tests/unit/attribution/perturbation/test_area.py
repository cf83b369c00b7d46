"""The area term, which needs no sort, against its definition, which sorts."""

from __future__ import annotations

import pytest
import torch

from videovisual.attribution.perturbation.area import (
    area_term,
    cut,
    pixel_count,
    step_template,
    template_by_sort,
)

SEEDED = torch.Generator().manual_seed(0)
ROWS = {
    "distinct": torch.rand(3, 40, dtype=torch.float64, generator=SEEDED),
    "tied": torch.randint(4, (3, 40), generator=SEEDED).double() / 3,
    "all equal": torch.full((3, 40), 0.25, dtype=torch.float64),
    "all shown": torch.ones(3, 40, dtype=torch.float64),
}
COUNTS = torch.tensor([1, 7, 40])


def by_sorting(values: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Mean squared distance of the sorted values to the step of 0 and 1 (Fong et al. 2019)."""
    step = torch.arange(values.shape[1]) >= values.shape[1] - counts[:, None]
    return (values.sort(dim=1).values - step.to(values)).square().mean(dim=1)


@pytest.mark.parametrize("rows", ROWS)
def test_the_term_equals_its_definition_by_sorting(rows: str) -> None:
    torch.testing.assert_close(area_term(ROWS[rows], COUNTS), by_sorting(ROWS[rows], COUNTS))


def test_its_gradient_equals_that_of_the_definition() -> None:
    values = ROWS["distinct"].clone().requires_grad_()
    terms = (area_term(values, COUNTS), by_sorting(values, COUNTS))
    ours, theirs = (torch.autograd.grad(term.sum(), values)[0] for term in terms)
    torch.testing.assert_close(ours, theirs)
    assert torch.autograd.gradcheck(lambda leaf: area_term(leaf, COUNTS), values)


@pytest.mark.parametrize("rows", ["tied", "all equal", "all shown"])
def test_ties_share_the_gradient_that_sorting_gives_to_the_first(rows: str) -> None:
    values = ROWS[rows].clone().requires_grad_()
    terms = (area_term(values, COUNTS), by_sorting(values, COUNTS))
    ours, theirs = (torch.autograd.grad(term.sum(), values)[0] for term in terms)
    for value in values.unique():
        tied = values == value
        torch.testing.assert_close((ours * tied).sum(dim=1), (theirs * tied).sum(dim=1))
        for row, among in zip(ours, tied, strict=True):
            assert row[among].unique().numel() <= 1


@pytest.mark.parametrize("rows", ROWS)
def test_the_template_sums_to_the_counts(rows: str) -> None:
    template, _ = step_template(ROWS[rows], COUNTS)
    torch.testing.assert_close(template.sum(dim=1), COUNTS.double())
    assert template.min() >= 0
    assert template.max() <= 1


@pytest.mark.parametrize("rows", ROWS)
def test_the_template_by_sort_is_the_same(rows: str) -> None:
    for one, other in zip(
        template_by_sort(ROWS[rows], COUNTS), step_template(ROWS[rows], COUNTS), strict=True
    ):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("rows", ROWS)
def test_a_cut_keeps_exactly_the_largest(rows: str) -> None:
    hard = cut(ROWS[rows], COUNTS)
    assert hard.sum(dim=1).tolist() == COUNTS.tolist()
    for values, kept in zip(ROWS[rows], hard.bool(), strict=True):
        assert values[kept].min() >= values[~kept].max() if not kept.all() else True


@pytest.mark.parametrize(
    ("area", "size", "count"),
    [(0.1, 1000, 100), (0.0001, 1000, 1), (0.9999, 1000, 1000), (0.25, 10, 2), (0.26, 10, 3)],
)
def test_an_area_is_a_number_of_pixels(area: float, size: int, count: int) -> None:
    assert pixel_count(area, size) == count
