"""Maps of one clip on one grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from videovisual.diff.alignment import agreement, aligned
from videovisual.saliency import Saliency

SOURCE = {"source_height": 100, "source_width": 200}


def saliency(values: np.ndarray, frames: list[int], **crop: float) -> Saliency:
    provenance: dict[str, Any] = {"frame_indices": frames, "crop": {**SOURCE, **crop}}
    return Saliency(values.astype(np.float32), signed=False, provenance=provenance)


def bump(frames: list[int], rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """A map of the source itself, seen at some frames, rows and columns."""
    at = np.ix_(np.array(frames), rows, columns)
    when, where, there = (each.astype(float) for each in at)
    values: np.ndarray = np.exp(
        -(((when - 20) / 15) ** 2) - ((where - 50) / 20) ** 2 - ((there - 90) / 30) ** 2
    )
    return values


def seen(side: int, frames: list[int], top: float, left: float, size: float) -> Saliency:
    places = (np.arange(side) + 0.5) * size / side
    values = bump(frames, top + places, left + places)
    return saliency(values, frames, top=top, left=left, height=size, width=size)


def test_the_same_grid_stays() -> None:
    made = seen(20, list(range(0, 40, 4)), 0, 50, 100)
    first, second = aligned(made, made) or ((), ())
    assert np.array_equal(first, made.map)
    assert np.array_equal(second, made.map)


def test_another_crop_and_other_frames_are_brought_together() -> None:
    old = seen(56, list(range(0, 40, 5)), 0, 40, 100)
    new = seen(112, list(range(1, 41, 2)), 10, 50, 80)
    common = aligned(old, new)
    assert common is not None
    correlation, overlap = agreement(*common)
    assert correlation is not None
    assert correlation > 0.99
    assert overlap > 0.9
    assert common[0].shape == common[1].shape


def test_maps_without_a_common_part_are_told() -> None:
    assert aligned(seen(8, [0, 1, 2], 0, 0, 50), seen(8, [0, 1, 2], 50, 120, 50)) is None
    assert aligned(seen(8, [0, 1, 2], 0, 0, 50), seen(8, [30, 31, 32], 0, 0, 50)) is None


def test_agreement_is_scipys_and_of_the_upper_tenths() -> None:
    first, second = np.random.default_rng(0).normal(size=(2, 4, 10, 10)).astype(np.float32)
    correlation, overlap = agreement(first, second)
    known = stats.spearmanr(np.abs(first).ravel(), np.abs(second).ravel()).statistic
    assert correlation == pytest.approx(known)
    assert overlap == pytest.approx(0.1, abs=0.08)
    assert agreement(first, first) == (pytest.approx(1), 1)


def test_a_constant_map_has_no_correlation_and_the_overlap_of_chance() -> None:
    rising = np.arange(1000, dtype=np.float32).reshape(10, 10, 10)
    correlation, overlap = agreement(np.ones((10, 10, 10), np.float32), rising)
    assert correlation is None
    assert overlap == pytest.approx(0.1)
