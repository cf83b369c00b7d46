"""Insertion and deletion, and sensitivity-n.

Insertion and deletion: Petsiuk, Das & Saenko 2018, arXiv 1806.07421. Sensitivity-n: Ancona et al.
2018, arXiv 1711.06104.
"""

from itertools import chain

import numpy as np
import torch
from torch.nn import functional as F

from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case
from videovisual.engine.probe import Work
from videovisual.faithfulness.ranks import correlation
from videovisual.faithfulness.scoring import logits_of, target_scores
from videovisual.saliency import Map

POINTS = 16
"""Steps of the insertion and deletion curves."""

SUBSETS = 32
"""Random subsets of the sensitivity-n correlation."""

CELLS = 8
"""Cells of a subset along each side and along time."""

SAME_HALVES = (
    "the map's sums in random halves of the clip, or the falls of the logit, are all the same"
)
"""Why sensitivity-n has no value."""


def insertion_deletion(case: Case, values: Map, points: int = POINTS) -> Work[tuple[float, float]]:
    """Insertion and deletion scores of a map; see `Faithfulness`.

    Pixels of equal values are uncovered together, and both curves are straight between two such
    steps, as ROC curves are (Fawcett 2006, https://doi.org/10.1016/j.patrec.2005.10.010). For a
    constant map both scores are the mean of the whole and the blurred clip's probability.

    Args:
        case: the clip and the target.
        values: the map, float32 [T, H, W].
        points: steps of both curves, fewer where many values are equal.
    """
    counts, thresholds = _steps(values, points)
    saliency = torch.from_numpy(np.ascontiguousarray(values)).to(case.clip.device)
    blurred = blur(case.clip, case.card.blur_sigma)
    shown = [saliency >= threshold for threshold in thresholds]
    uncovered = (torch.where(mask, case.clip, blurred) for mask in shown)
    covered = (torch.where(mask, blurred, case.clip) for mask in shown)
    shares = torch.tensor(counts, dtype=torch.float64) / values.size
    scores = []
    for clips in (uncovered, covered):
        curve = yield from target_scores(case, clips)
        scores.append(float(torch.trapezoid(torch.from_numpy(curve), shares)))
    return scores[0], scores[1]


def _steps(values: Map, points: int) -> tuple[list[int], list[float]]:
    """Numbers of most salient pixels nearest to `points` even steps, and their least value.

    Only whole groups of equal values are counted.
    """
    levels, sizes = np.unique(values, return_counts=True)
    counts = np.concatenate(([0], np.cumsum(sizes[::-1])))
    least = np.concatenate(([np.inf], levels[::-1]))
    wanted = values.size * np.arange(points + 1) / points
    after = np.searchsorted(counts, wanted).clip(1, len(counts) - 1)
    nearer = after - (wanted - counts[after - 1] < counts[after] - wanted)
    chosen = np.unique(np.concatenate(([0], nearer, [len(counts) - 1])))
    return counts[chosen].tolist(), least[chosen].tolist()


def sensitivity_n(case: Case, values: Map, subsets: int = SUBSETS) -> Work[float | None]:
    """Sensitivity-n over random halves of the clip; see `Faithfulness`."""
    frames, height, width = values.shape
    generator = torch.Generator().manual_seed(case.seed)
    cells = (min(CELLS, frames), min(CELLS, height), min(CELLS, width))
    chosen = torch.rand((subsets, 1, *cells), generator=generator) < 0.5
    halves = F.interpolate(chosen.float(), (frames, height, width))[:, 0] > 0.5
    blurred = blur(case.clip, case.card.blur_sigma)
    clips = (torch.where(half.to(blurred.device), blurred, case.clip) for half in halves)
    logits = yield from logits_of(case, chain([case.clip], clips))
    falls = (logits[0, case.target] - logits[1:, case.target]).double().cpu().numpy()
    parts = np.array([values[half.numpy()].sum(dtype=np.float64) for half in halves])
    return correlation(parts, falls)
