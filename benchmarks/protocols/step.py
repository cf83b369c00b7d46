"""STEP's protocol: Li et al. 2021, arXiv 2109.00222.

A clip's cells, 16 × 16 in every frame, are inserted or deleted in 128 steps, most or least salient
first. A cell's saliency is the mean of its pixels. A hidden cell is faded to the middle of the
network's input. Each curve's area is that of the target's probability over the share of cells.
"""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

from videovisual.attribution.method import Case
from videovisual.engine.probe import Work
from videovisual.faithfulness.scoring import target_scores
from videovisual.saliency import Map

STEPS = 128
CELLS = 16


def step_areas(case: Case, values: Map) -> Work[dict[str, float]]:
    """The areas under the four curves.

    Insertion in one order passes through the same clips as deletion in the other, backwards, so
    four areas take two curves. Cells of equal saliency are put in an order that is drawn from the
    case's seed.

    Args:
        case: the clip and the target.
        values: the map, float32 [T, H, W].

    Returns:
        `insertion` and `deletion` with the most salient cells first, and `insertion_least` and
        `deletion_least` with the least salient first.
    """
    most_shown = yield from _area(case, values)
    most_hidden = yield from _area(case, -values)
    return {
        "insertion": most_shown,
        "deletion": most_hidden,
        "insertion_least": most_hidden,
        "deletion_least": most_shown,
    }


def _area(case: Case, values: Map) -> Work[float]:
    """The area of the curve while cells are shown, those of the highest values first."""
    frames = values.shape[0]
    cells = F.adaptive_avg_pool2d(torch.from_numpy(values)[None], CELLS)[0].numpy().ravel()
    drawn = np.random.default_rng(case.seed).permutation(cells.size)
    order = drawn[np.argsort(-cells[drawn], kind="stable")]
    shown = np.empty(cells.size, np.int64)
    shown[order] = np.arange(cells.size)
    # A number of cells in every frame that 128 divides: the steps are equal.
    places = torch.from_numpy(shown).view(frames, CELLS, CELLS).float()
    size = values.shape[1:]
    ranks = F.interpolate(places[None], size, mode="nearest")[0].to(case.clip.device)
    counts = range(0, cells.size + 1, cells.size // STEPS)
    zero = torch.zeros_like(case.clip)
    scores = yield from target_scores(
        case, (torch.where(ranks < count, case.clip, zero) for count in counts)
    )
    return float(torch.trapezoid(torch.from_numpy(scores)) / STEPS)
