"""The salience-guided faithfulness coefficient (SaCo): Wu et al., CVPR 2024, arXiv 2404.01415."""

from itertools import chain, combinations

import numpy as np
import torch

from videovisual.attribution.method import Case
from videovisual.engine.probe import Work
from videovisual.faithfulness.scoring import target_scores
from videovisual.saliency import Map

GROUPS = 10
"""Groups of pixels, as in the paper."""

ROUNDING = 1e-6
"""Differences up to this share of the values are those of rounding."""

SAME_GROUPS = "all tenths of its pixels have the same saliency, or the target needs each equally"
"""Why the coefficient has no value."""


def saco(case: Case, values: Map, groups: int = GROUPS) -> Work[float | None]:
    """Whether the groups of pixels with more saliency are those that the target needs more.

    Pixels are ordered by their saliency and divided into groups of equal size. Each group by itself
    is replaced by the clip's mean colour. Every pair of groups counts by the difference of their
    sums of saliency: for the map where the group with more saliency lowers the target at least as
    much as the other, against it elsewhere.

    Pixels of equal values are put in an order that is drawn from the case's seed.

    Args:
        case: the clip and the target. The fall of a raw score is that of the score itself.
        values: the map, float32 [T, H, W].
        groups: 10 in the paper.

    Returns:
        -1 to 1, about 0 for a random map. None where it is undefined: all groups have the same sum,
        or lower the target equally.
    """
    drawn = np.random.default_rng(case.seed).permutation(values.size)
    order = drawn[np.argsort(-values.ravel()[drawn], kind="stable")]
    members = np.array_split(order, groups)
    mean = case.clip.mean(dim=(1, 2, 3), keepdim=True)

    def without(group: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> torch.Tensor:
        mask = torch.zeros(values.size, dtype=torch.bool)
        mask[torch.from_numpy(group)] = True
        return torch.where(mask.view(values.shape).to(mean.device), mean, case.clip)

    scores = yield from target_scores(case, chain([case.clip], map(without, members)))
    falls = scores[0] - scores[1:]
    if np.ptp(falls) <= ROUNDING * np.abs(scores).max():
        return None
    # Groups are equal to a pixel, so their means stand for their sums.
    means = [float(values.ravel()[group].mean(dtype=np.float64)) for group in members]
    return coefficient(means, falls.tolist())


def coefficient(sums: list[float], falls: list[float]) -> float | None:
    """The paper's algorithm 1: pairs of groups, each weighted by the difference of their sums.

    Args:
        sums: saliency of each group, from the most salient one.
        falls: by how much the target falls without each group.

    Returns:
        -1 to 1; None where all sums are the same.
    """
    pairs = list(combinations(range(len(sums)), 2))
    weights = [sums[one] - sums[other] for one, other in pairs]
    total = sum(weights)
    if total <= ROUNDING * max(map(abs, sums)):
        return None
    kept = (falls[one] >= falls[other] for one, other in pairs)
    signed = (weight if each else -weight for weight, each in zip(weights, kept, strict=True))
    return float(sum(signed) / total)
