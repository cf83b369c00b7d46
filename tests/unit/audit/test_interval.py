"""Intervals against textbook values and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from videovisual.audit import interval


@pytest.mark.parametrize(("count", "of"), [(0, 7), (1, 10), (14, 14), (81, 263), (999, 1000)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.9997])
def test_wilson_is_scipys(count: int, of: int, confidence: float) -> None:
    made = interval.wilson(count, of, confidence)
    known = stats.binomtest(count, of).proportion_ci(confidence, method="wilson")
    assert (made.value, made.of) == (count / of, of)
    assert (made.low, made.high) == pytest.approx((known.low, known.high), abs=1e-12)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_differences_are_those_of_newcombes_table_2(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    made = interval.difference(interval.wilson(*first), interval.wilson(*second))
    assert (made.low, made.high) == pytest.approx((low, high), abs=5e-5)


def test_the_bootstrap_of_a_mean_is_scipys() -> None:
    values = np.random.default_rng(3).gamma(2, size=60).tolist()
    made = interval.mean(values, seed=0)
    known = stats.bootstrap(
        (values,), np.mean, n_resamples=20_000, method="percentile", random_state=1
    ).confidence_interval
    assert made.value == pytest.approx(np.mean(values))
    assert (made.low, made.high) == pytest.approx((known.low, known.high), abs=0.02)
    assert made == interval.mean(values, seed=0)
    assert made != interval.mean(values, seed=1)


def test_the_bootstrap_in_pieces_has_all_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = interval.mean([0.0, 1.0, 2.0], seed=0)
    monkeypatch.setattr(interval, "PIECE", 3 * 700)
    assert interval.mean([0.0, 1.0, 2.0], seed=0) == whole
