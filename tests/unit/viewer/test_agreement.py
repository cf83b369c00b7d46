"""The agreement of two methods' maps."""

from __future__ import annotations

import numpy as np
import pytest

from videovisual.faithfulness import similarity
from videovisual_client.viewer.agreement import agreement


def test_it_is_the_rank_correlation_of_faithfulness_where_cells_are_pixels() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=(4, 8, 8)).astype(np.float32)
    other = (one + rng.normal(size=one.shape)).astype(np.float32)
    # Equal values, as of a rectifier.
    other[np.abs(other) < 0.5] = 0
    assert agreement(one, other) == pytest.approx(similarity(one, other))
    assert agreement(one, -2 * one) == pytest.approx(1)


def test_fine_detail_does_not_count() -> None:
    rng = np.random.default_rng(0)
    coarse = rng.random((16, 16, 16))
    one = np.kron(coarse, np.ones((1, 4, 4)))
    noise = np.where(np.indices(one.shape).sum(0) % 2, 1.9, 0.1)
    assert agreement(one.astype(np.float32), (one * noise).astype(np.float32)) == pytest.approx(1)


def test_it_is_undefined_of_a_constant_map_and_of_other_shapes() -> None:
    one = np.arange(32, dtype=np.float32).reshape(2, 4, 4)
    assert agreement(one, np.ones_like(one)) is None
    assert agreement(one, one[:1]) is None
