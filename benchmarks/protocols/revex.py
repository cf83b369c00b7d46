"""REVEX's protocol: Gaya-Morey, Buades-Rubio, MacKenzie & Manresa-Yee 2024, arXiv 2401.11796.

A map is stretched to 0 … 1, and hidden pixels are black. The insertion and deletion games take 100
thresholds of the stretched map. The average drop is that of the clip whose pixels are shown as far
as the map says. The pointing game asks for the mean place of the clip's maximum; the intersection
over union is that of the values above 0.9.
"""

from __future__ import annotations

import numpy as np
import torch

from videovisual.attribution.method import Case
from videovisual.engine.probe import Work
from videovisual.faithfulness import Evidence
from videovisual.faithfulness.scoring import target_scores
from videovisual.saliency import Map

THRESHOLDS = 100
HIGHEST = 0.9


def stretched(values: Map) -> Map:
    """A map from 0 to 1; all 0 for a constant one."""
    span = float(np.ptp(values))
    return (values - values.min()) / span if span else np.zeros_like(values)


def revex_games(case: Case, values: Map) -> Work[dict[str, float]]:
    """Insertion, deletion, and the average drop in percent.

    Args:
        case: the clip and the target.
        values: the map, float32 [T, H, W].
    """
    level = torch.from_numpy(np.ascontiguousarray(stretched(values))).to(case.clip.device)
    black = case.flat(0.0)
    masks = [level >= step / THRESHOLDS for step in range(THRESHOLDS - 1, 0, -1)]
    none, every = torch.zeros_like(masks[0]), torch.ones_like(masks[0])
    steps = [none, *masks, every]
    shares = torch.tensor([float(mask.double().mean()) for mask in steps], dtype=torch.float64)
    # Thresholds between two values give the clip before.
    new = [0] + [at for at in range(1, len(steps)) if shares[at] != shares[at - 1]]
    found = {}
    for name, (inside, outside) in {
        "insertion": (case.clip, black),
        "deletion": (black, case.clip),
    }.items():
        curve = yield from target_scores(
            case, (torch.where(steps[at], inside, outside) for at in new)
        )
        found[name] = float(torch.trapezoid(torch.from_numpy(curve), shares[new]))
    pair = yield from target_scores(
        case, iter([case.clip, torch.lerp(black.expand_as(case.clip), case.clip, level)])
    )
    return {**found, "average_drop": float(100 * max(0.0, pair[0] - pair[1]) / pair[0])}


def revex_places(values: Map, evidence: Evidence) -> dict[str, float]:
    """The pointing game, 0 or 1, and the intersection over union with known evidence."""
    level = stretched(values)
    # A constant map's maximum is everywhere, so its mean place is the clip's middle.
    at = tuple(round(float(axis.mean())) for axis in np.nonzero(level == level.max()))
    high = level > HIGHEST
    union = float((high | evidence).sum())
    shared = float((high & evidence).sum())
    return {"pointing": float(evidence[at]), "iou": shared / union if union else 0.0}
