from __future__ import annotations

import dataclasses
import io
from random import Random

import numpy as np
import pytest

from videovisual import saliency as saliency_module
from videovisual.errors import InvalidParameter, InvalidRequest, TooLarge
from videovisual.saliency import Saliency


@pytest.fixture
def saliency() -> Saliency:
    values = np.zeros((3, 4, 5), dtype=np.float32)
    values[1, 2, 3] = 3.0
    values[2, 0, 0] = -1.0
    return Saliency(values, signed=True, diagnostics={"steps": 4}, provenance={"model": "m"})


def test_the_curve_shares_out_the_mass(saliency: Saliency) -> None:
    np.testing.assert_allclose(saliency.curve(), [0, 0.75, 0.25])


def test_in_the_curve_of_a_signed_map_both_signs_count() -> None:
    """A frame whose evidence for and against the target is equal is not a frame without any."""
    values = np.zeros((2, 1, 2), dtype=np.float32)
    values[0] = [2.0, -2.0]
    values[1] = [1.0, 0.0]
    signed = Saliency(values, signed=True)
    np.testing.assert_allclose(signed.curve(), [0.8, 0.2])
    np.testing.assert_allclose(signed.polarised("positive").curve(), [2 / 3, 1 / 3], rtol=1e-6)
    np.testing.assert_allclose(signed.polarised("negative").curve(), [1, 0])


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


def test_a_polarity_keeps_one_side_and_the_signed_map(saliency: Saliency) -> None:
    positive, negative = saliency.polarised("positive"), saliency.polarised("negative")
    np.testing.assert_array_equal(positive.map, saliency.map.clip(min=0))
    np.testing.assert_array_equal(negative.map, (-saliency.map).clip(min=0))
    np.testing.assert_array_equal(positive.map - negative.map, saliency.map)
    assert negative.peak() == (2, 0, 0)
    for side in (positive, negative):
        assert not side.signed
        assert side.signed_map is saliency.map
        assert (side.diagnostics, side.provenance) == (saliency.diagnostics, saliency.provenance)
        back = Saliency.from_npz(side.to_npz())
        np.testing.assert_array_equal(back.map, side.map)
        np.testing.assert_array_equal(back.signed_map, saliency.map)


def test_both_polarities_are_the_map_as_it_is(saliency: Saliency) -> None:
    assert saliency.polarised("both") is saliency
    assert saliency.map.min() < 0
    assert Saliency.from_npz(saliency.to_npz()).signed_map is None


def test_an_unsigned_map_has_no_negative_side(saliency: Saliency) -> None:
    unsigned = dataclasses.replace(saliency, map=np.abs(saliency.map), signed=False)
    assert unsigned.polarised("positive") is unsigned
    assert unsigned.polarised("both") is unsigned
    with pytest.raises(InvalidParameter, match=r"unsigned.*Give positive or both") as caught:
        unsigned.polarised("negative")
    assert caught.value.detail["allowed"] == ["positive", "both"]


def test_a_damaged_npz_is_one_error() -> None:
    random = Random(0)
    data = Saliency(np.ones((2, 3, 4), np.float32), True, {"a": 1}).to_npz()
    read = 0
    for _ in range(1000):
        at = random.randrange(len(data))
        damaged = bytearray(data[: random.choice([at, len(data), len(data)])])
        for _ in range(random.choice([0, 1, 3])):
            if damaged:
                damaged[random.randrange(len(damaged))] = random.randrange(256)
        try:
            assert Saliency.from_npz(bytes(damaged)).map.ndim == 3
            read += 1
        except (InvalidRequest, TooLarge) as error:
            assert len(error.message) < 400  # noqa: PT017
    assert 0 < read < 1000


def test_an_npz_of_something_else() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, map=np.array([{}, None]), signed=True, diagnostics="{}", provenance="{}")
    others = [b"", b"PK", buffer.getvalue()]
    for kind in (np.zeros((2, 2), np.float32), np.zeros((1, 2, 2), np.int64)):
        buffer = io.BytesIO()
        np.savez(buffer, map=kind, signed=True, diagnostics="{}", provenance="{}")
        others.append(buffer.getvalue())
    for data in others:
        with pytest.raises(InvalidRequest, match="no npz of a saliency map"):
            Saliency.from_npz(data)


def test_an_npz_bomb_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    data = Saliency(np.zeros((1, 1000, 1000), np.float32), False).to_npz()
    assert len(data) < 20_000
    monkeypatch.setattr(saliency_module, "MAX_NPZ_BYTES", 10**6)
    with pytest.raises(TooLarge, match="1000000 are allowed"):
        Saliency.from_npz(data)
