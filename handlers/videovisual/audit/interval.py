"""Confidence intervals of rates, of differences of rates, and of means.

Wilson 1927, https://doi.org/10.1080/01621459.1927.10502953; Newcombe 1998, method 10,
https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I; Efron 1979,
https://doi.org/10.1214/aos/1176344552, the percentile bootstrap.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

RESAMPLES = 2000
PIECE = 2**20
"""Numbers that are drawn at once."""


@dataclass(frozen=True)
class Interval:
    """An estimate between two bounds.

    Attributes:
        value: the estimate.
        low, high: the bounds.
        of: the number of clips that it is made of.
    """

    value: float
    low: float
    high: float
    of: int


def wilson(count: int, of: int, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of the rate `count / of`.

    Args:
        count: how many of the clips.
        of: the number of clips, 1 or more.
        confidence: in (0, 1), two-sided.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate = count / of
    middle = rate + z * z / (2 * of)
    reach = z * sqrt(rate * (1 - rate) / of + z * z / (4 * of * of))
    scale = 1 + z * z / of
    # The bounds of no clip and of all clips are 0 and 1 but for rounding.
    low = 0.0 if count == 0 else max(0.0, (middle - reach) / scale)
    high = 1.0 if count == of else min(1.0, (middle + reach) / scale)
    return Interval(rate, low, high, of)


def difference(first: Interval, second: Interval) -> Interval:
    """Newcombe's interval of the difference of two independent rates, first − second.

    Args:
        first, second: Wilson's intervals of the same confidence.
    """
    value = first.value - second.value
    low = value - sqrt((first.value - first.low) ** 2 + (second.high - second.value) ** 2)
    high = value + sqrt((first.high - first.value) ** 2 + (second.value - second.low) ** 2)
    return Interval(value, low, high, first.of)


def mean(values: Sequence[float], seed: int, confidence: float = 0.95) -> Interval:
    """The bootstrap's percentile interval of a mean.

    Args:
        values: one a clip, at least one.
        seed: of the resamples.
        confidence: in (0, 1), two-sided.
    """
    data = np.asarray(values, np.float64)
    rng = np.random.default_rng(seed)
    # In pieces, because all resamples together would take clips times `RESAMPLES` numbers.
    at_once = max(1, PIECE // len(data))
    means = [
        data[rng.integers(len(data), size=(min(at_once, RESAMPLES - done), len(data)))].mean(axis=1)
        for done in range(0, RESAMPLES, at_once)
    ]
    low, high = np.quantile(
        np.concatenate(means), [(1 - confidence) / 2, (1 + confidence) / 2]
    ).tolist()
    return Interval(float(data.mean()), low, high, len(data))
