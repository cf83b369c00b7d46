"""Shares of a map's evidence."""

from __future__ import annotations

import numpy as np
import pytest

from videovisual.audit.changes import border
from videovisual.audit.evidence import CELLS, Evidence, evidence

EDGE = border(40, 40).numpy()


def measured(values: np.ndarray, moving: np.ndarray | None = None) -> Evidence:
    found = evidence(values.astype(np.float32), EDGE, moving)
    assert found is not None
    return found


def test_one_point_is_all_of_the_evidence() -> None:
    values = np.zeros((16, 40, 40))
    values[5, 2, 30] = -2
    found = measured(values, moving=np.zeros((40, 40), bool))
    assert {name: share.value for name, share in found.shares.items()} == {
        "one_frame": 1,
        "border": 1,
        "background": 1,
    }
    assert found.shares["border"].mostly
    assert found.strongest == 5
    assert found.cells.shape == (8, CELLS, CELLS)
    assert found.cells[2, 0, 3] == 1


def test_noise_has_no_more_than_its_share() -> None:
    moving = np.zeros((40, 40), bool)
    moving[10:20, 10:20] = True
    values = np.random.default_rng(0).random((16, 40, 40))
    found = measured(values, moving)
    for share in found.shares.values():
        assert share.value == pytest.approx(share.even, abs=0.01)
        assert not share.mostly
    assert found.cells.sum() == pytest.approx(1)
    assert found.cells == pytest.approx(np.full((8, CELLS, CELLS), 1 / (8 * CELLS**2)), rel=0.3)


def test_what_cannot_be_told_is_left_out() -> None:
    values = np.random.default_rng(0).random((16, 40, 40))
    assert set(measured(values).shares) == {"one_frame", "border"}
    assert evidence(np.zeros((16, 40, 40), np.float32), EDGE, None) is None
    assert evidence(np.ones((16, 40, 40), np.float32), EDGE, None) is None


@pytest.mark.parametrize("shape", [(1, 5, 5), (3, 8, 8), (17, 33, 47)])
def test_cells_of_any_shape_sum_to_one(shape: tuple[int, int, int]) -> None:
    edge = border(*shape[1:]).numpy()
    found = evidence(np.random.default_rng(0).random(shape).astype(np.float32), edge, None)
    assert found is not None
    assert found.cells.sum() == pytest.approx(1)
    assert found.cells.shape == (min(8, shape[0]), CELLS, CELLS)
