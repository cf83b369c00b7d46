"""The coarse grid of a search by worth."""

from __future__ import annotations

import pytest
import torch

from videovisual.attribution.perturbation.cells import Cells

SHAPE = (6, 20, 30)


def test_the_number_of_cells_follows_the_clip() -> None:
    assert Cells(SHAPE, 10, 2, "cpu").shape == (3, 10, 15)
    assert Cells((1, 4, 2), 16, 2, "cpu").shape == (1, 4, 2)


@pytest.mark.parametrize("reach", [0, 2])
def test_equal_cells_make_an_equal_field(reach: int) -> None:
    cells = Cells(SHAPE, 8, 2, "cpu", reach)
    torch.testing.assert_close(cells.enlarge(torch.ones(2, *cells.shape)), torch.ones(2, *SHAPE))


def test_it_is_torch_s_trilinear_interpolation() -> None:
    cells = Cells(SHAPE, 8, 2, "cpu")
    fields = torch.randn(2, *cells.shape)
    expected = torch.nn.functional.interpolate(fields[:, None], SHAPE, mode="trilinear")[:, 0]
    torch.testing.assert_close(cells.enlarge(fields), expected, atol=1e-5, rtol=0)


def test_a_cell_reaches_frames_before_and_after_its_own() -> None:
    cells = Cells(SHAPE, 8, 1, "cpu", 2)
    fields = torch.zeros(1, *cells.shape)
    fields[:, 2] = 1
    by_frame = cells.enlarge(fields).mean(dim=(0, 2, 3))
    torch.testing.assert_close(by_frame, torch.tensor([1, 2, 3, 2, 1, 0]) / 9)


@pytest.mark.parametrize("reach", [0, 2])
@pytest.mark.parametrize("rows", [1, 7, 20])
def test_reducing_is_the_adjoint(rows: int, reach: int) -> None:
    cells = Cells(SHAPE, rows, 2, "cpu", reach)
    fields, values = torch.randn(3, *cells.shape), torch.randn(3, *SHAPE)
    one = (cells.enlarge(fields) * values).sum()
    other = (fields * cells.reduce(values)).sum()
    assert one.item() == pytest.approx(other.item(), rel=1e-3, abs=1e-3)
