"""Faithfulness: measures of a saliency map against the network and against known evidence.

Insertion and deletion: Petsiuk, Das & Saenko 2018, arXiv 1806.07421. Sensitivity-n: Ancona et al.
2018, arXiv 1711.06104. Pointing game: Zhang et al. 2016, arXiv 1608.00507. Model randomisation:
Adebayo et al. 2018, arXiv 1810.03292.
"""

import copy
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case
from videovisual.engine.probe import Probe, Work
from videovisual.engine.progress import Progress
from videovisual.saliency import Map, Saliency
from videovisual.zoo.classifier import Classifier

POINTS = 16
"""Steps of the insertion and deletion curves."""

SUBSETS = 32
"""Random subsets of the sensitivity-n correlation."""

CELLS = 8
"""Cells of a subset along each side and along time."""

Evidence = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Faithfulness:
    """Measures of a map against the network that it explains.

    Attributes:
        insertion: mean target probability while a blurred clip becomes sharp, most salient pixels
            first; 0 to 1, higher is better.
        deletion: mean target probability while the clip becomes blurred, most salient pixels
            first; 0 to 1, lower is better.
        sensitivity_n: correlation, over random halves of the clip, between the attribution in a
            half and the logit's fall when that half is blurred; -1 to 1, higher is better.
        relative_delta: the share of the logit's rise by which the map's sum misses it; None if
            the method doesn't report it.
    """

    insertion: float
    deletion: float
    sensitivity_n: float
    relative_delta: float | None

    def to_json(self) -> dict[str, float | None]:
        """The measures by name."""
        return asdict(self)


def evaluate(
    case: Case, saliency: Saliency, *, points: int = POINTS, subsets: int = SUBSETS
) -> Work[Faithfulness]:
    """Measure a map with the network that it explains.

    Args:
        case: the clip and the target.
        saliency: the explanation, with a map [T, H, W] of the case's clip.
        points: steps of the insertion and deletion curves.
        subsets: random halves for sensitivity-n, drawn from the case's seed.
    """
    total = 2 * (points + 1) + subsets + 1
    insertion, deletion = yield from insertion_deletion(case, saliency.map, points, total)
    sensitivity = yield from sensitivity_n(case, saliency.map, subsets, total)
    return Faithfulness(
        insertion, deletion, sensitivity, saliency.diagnostics.get("relative_delta")
    )


def insertion_deletion(
    case: Case, values: Map, points: int = POINTS, total: int | None = None
) -> Work[tuple[float, float]]:
    """Insertion and deletion scores of a map; see `Faithfulness`.

    Args:
        case: the clip and the target.
        values: the map, float32 [T, H, W].
        points: steps of both curves.
        total: steps in total, for the progress.
    """
    order = np.argsort(-values, axis=None, kind="stable")
    places = np.empty(order.size, np.int64)
    places[order] = np.arange(order.size)
    rank = torch.from_numpy(places.reshape(values.shape)).to(case.clip.device)
    blurred = _blurred(case)
    shown = [rank < round(order.size * point / points) for point in range(points + 1)]
    uncovered = (torch.where(mask, case.clip, blurred) for mask in shown)
    covered = (torch.where(mask, blurred, case.clip) for mask in shown)
    scores = []
    for clips in (uncovered, covered):
        logits = yield from _logits(case, clips, total or 2 * len(shown))
        curve = logits.softmax(dim=1)[:, case.target]
        scores.append(float(torch.trapezoid(curve) / points))
    return scores[0], scores[1]


def sensitivity_n(
    case: Case, values: Map, subsets: int = SUBSETS, total: int | None = None
) -> Work[float]:
    """Sensitivity-n over random halves of the clip; see `Faithfulness`."""
    frames, height, width = values.shape
    generator = torch.Generator().manual_seed(case.seed)
    cells = (min(CELLS, frames), min(CELLS, height), min(CELLS, width))
    chosen = torch.rand((subsets, 1, *cells), generator=generator) < 0.5
    halves = F.interpolate(chosen.float(), (frames, height, width))[:, 0] > 0.5
    blurred = _blurred(case)
    clips = (torch.where(half.to(blurred.device), blurred, case.clip) for half in halves)
    logits = yield from _logits(case, chain([case.clip], clips), total or subsets + 1)
    falls = (logits[0, case.target] - logits[1:, case.target]).double().cpu().numpy()
    parts = np.array([values[half.numpy()].sum(dtype=np.float64) for half in halves])
    if falls.std() == 0 or parts.std() == 0:
        return 0.0
    return float(np.corrcoef(parts, falls)[0, 1])


def pointing(values: Map, evidence: Evidence, tolerance: int = 0) -> float:
    """Pointing game: the share of the frames with evidence where the map's maximum lies on it.

    Args:
        values: float32 [T, H, W].
        evidence: bool [T, H, W].
        tolerance: pixels by which the evidence is widened on each side.

    Returns:
        The share of frames, 0 to 1.

    Raises:
        ValueError: no frame has evidence.
    """
    hits = []
    for frame, mask in zip(values, evidence, strict=True):
        if mask.any():
            row, column = np.unravel_index(int(frame.argmax()), frame.shape)
            top, left = max(row - tolerance, 0), max(column - tolerance, 0)
            near = mask[top : row + tolerance + 1, left : column + tolerance + 1]
            hits.append(bool(near.any()) and frame.max() > frame.min())
    if not hits:
        raise ValueError("No frame has evidence: the pointing game needs at least one.")
    return float(np.mean(hits))


def iou(values: Map, evidence: Evidence, area: float) -> float:
    """Intersection over union of the evidence and the share `area` of highest pixels."""
    count = max(1, round(area * values.size))
    top = np.zeros(values.size, np.bool_)
    top[np.argsort(-values, axis=None, kind="stable")[:count]] = True
    mask = top.reshape(values.shape)
    return float((mask & evidence).sum() / (mask | evidence).sum())


def randomised(classifier: Classifier, seed: int = 0) -> Classifier:
    """The same network with new random weights, for the model-randomisation check."""
    network = copy.deepcopy(classifier.network)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
    return Classifier(classifier.card, network, f"randomised with seed {seed}")


def similarity(first: Map, second: Map) -> float:
    """Spearman's rank correlation of two maps' magnitudes, -1 to 1.

    A method whose maps of a trained and a randomised network are similar explains the clip, not
    the network.
    """
    ranks = [np.argsort(np.argsort(np.abs(values), axis=None)) for values in (first, second)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _blurred(case: Case) -> torch.Tensor:
    return blur(case.clip, case.card.blur_sigma)


def _logits(case: Case, clips: Iterator[torch.Tensor], total: int) -> Work[torch.Tensor]:
    """Logits [N, classes] of clips, which are taken `case.batch` at a time."""
    logits: list[torch.Tensor] = []
    chunk: list[torch.Tensor] = []
    for clip in clips:
        chunk.append(clip)
        if len(chunk) == case.batch:
            reading = yield Probe(torch.stack(chunk), progress=Progress(len(logits), total))
            logits.append(reading.logits)
            chunk = []
    if chunk:
        reading = yield Probe(torch.stack(chunk), progress=Progress(len(logits), total))
        logits.append(reading.logits)
    return torch.cat(logits)
