from __future__ import annotations

import numpy as np
import pytest

from videovisual.saliency import Saliency


@pytest.fixture
def saliency() -> Saliency:
    values = np.zeros((3, 4, 5), dtype=np.float32)
    values[1, 2, 3] = 3.0
    values[2, 0, 0] = -1.0
    return Saliency(values, signed=True, diagnostics={"steps": 4}, provenance={"model": "m"})


def test_the_curve_shares_out_the_mass(saliency: Saliency) -> None:
    np.testing.assert_allclose(saliency.curve(), [0, 0.75, 0.25])


def test_an_empty_map_has_an_even_curve() -> None:
    empty = Saliency(np.zeros((4, 2, 2), dtype=np.float32), signed=False)
    np.testing.assert_allclose(empty.curve(), [0.25] * 4)


def test_the_peak_is_the_strongest_evidence_for_the_target(saliency: Saliency) -> None:
    assert saliency.peak() == (1, 2, 3)


def test_npz_round_trip_is_exact_and_repeatable(saliency: Saliency) -> None:
    data = saliency.to_npz()
    assert data == saliency.to_npz()
    back = Saliency.from_npz(data)
    np.testing.assert_array_equal(back.map, saliency.map)
    assert (back.signed, back.diagnostics, back.provenance) == (True, {"steps": 4}, {"model": "m"})
