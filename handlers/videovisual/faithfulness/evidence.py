"""Measures of a map against known evidence.

Pointing game: Zhang et al. 2016, arXiv 1608.00507.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from videovisual.faithfulness.ranks import membership
from videovisual.saliency import Map

Evidence = npt.NDArray[np.bool_]


def pointing(values: Map, evidence: Evidence, tolerance: int = 0) -> float:
    """Pointing game: the share of the frames with evidence where the map's maximum lies on it.

    Of several equal maxima of a frame each counts by its share. A frame whose values are all the
    same points nowhere, which is a miss.

    Args:
        values: float32 [T, H, W].
        evidence: bool [T, H, W].
        tolerance: pixels by which the evidence is widened on each side.

    Returns:
        The share of frames, 0 to 1.

    Raises:
        ValueError: no frame has evidence.
    """
    window = 2 * tolerance + 1
    masks = torch.from_numpy(np.ascontiguousarray(evidence)).float()
    wide = F.max_pool2d(masks, window, stride=1, padding=tolerance) > 0
    hits = [
        near[frame == frame.max()].mean() * (frame.max() > frame.min())
        for frame, mask, near in zip(values, evidence, wide.numpy(), strict=True)
        if mask.any()
    ]
    if not hits:
        raise ValueError("No frame has evidence: the pointing game needs at least one.")
    return float(np.mean(hits))


def iou(values: Map, evidence: Evidence, area: float) -> float:
    """Intersection over union of the evidence and the share `area` of highest pixels.

    Pixels that are equal at the edge of that share belong to it in equal parts.
    """
    members = membership(values, area)
    return float(np.minimum(members, evidence).sum() / np.maximum(members, evidence).sum())
