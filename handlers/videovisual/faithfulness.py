"""Faithfulness: measures of a saliency map against the network and against known evidence.

Insertion and deletion: Petsiuk, Das & Saenko 2018, arXiv 1806.07421. Sensitivity-n: Ancona et al.
2018, arXiv 1711.06104. Pointing game: Zhang et al. 2016, arXiv 1608.00507. Model randomisation:
Adebayo et al. 2018, arXiv 1810.03292.

Many maps have equal values, such as a rectifier's zeros. No measure depends on their order.
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
from videovisual.errors import InvalidParameter
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
        insertion: mean target probability, or raw score, while a blurred clip becomes sharp, most
            salient pixels first; higher is better.
        deletion: mean target probability, or raw score, while the clip becomes blurred, most
            salient pixels first; lower is better.
        sensitivity_n: correlation, over random halves of the clip, between the attribution in a
            half and the logit's fall when that half is blurred; -1 to 1, higher is better. None
            where it is undefined: the halves' attributions, or the falls, are all the same.
        relative_delta: the share of the logit's rise by which the map's sum misses it; None if
            the method doesn't report it.
    """

    insertion: float
    deletion: float
    sensitivity_n: float | None
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

    Pixels of equal values are uncovered together, and both curves are straight between two such
    steps, as ROC curves are (Fawcett 2006, https://doi.org/10.1016/j.patrec.2005.10.010). For a
    constant map both scores are the mean of the whole and the blurred clip's probability.

    Args:
        case: the clip and the target.
        values: the map, float32 [T, H, W].
        points: steps of both curves, fewer where many values are equal.
        total: steps in total, for the progress.
    """
    counts, thresholds = _steps(values, points)
    saliency = torch.from_numpy(np.ascontiguousarray(values)).to(case.clip.device)
    blurred = _blurred(case)
    shown = [saliency >= threshold for threshold in thresholds]
    uncovered = (torch.where(mask, case.clip, blurred) for mask in shown)
    covered = (torch.where(mask, blurred, case.clip) for mask in shown)
    shares = torch.tensor(counts, dtype=torch.float64) / values.size
    scores = []
    for clips in (uncovered, covered):
        logits = yield from _logits(case, clips, total or 2 * len(shown))
        curve = case.scores.probabilities(logits)[:, case.target].double().cpu()
        scores.append(float(torch.trapezoid(curve, shares)))
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


def sensitivity_n(
    case: Case, values: Map, subsets: int = SUBSETS, total: int | None = None
) -> Work[float | None]:
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
    return _correlation(parts, falls)


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
    count = max(1, round(area * values.size))
    edge = np.partition(values, values.size - count, axis=None)[values.size - count]
    above, level = values > edge, values == edge
    part = (count - above.sum()) / level.sum()
    shared = float((above & evidence).sum() + part * (level & evidence).sum())
    return shared / (count + float(evidence.sum()) - shared)


def randomised(classifier: Classifier, seed: int = 0) -> Classifier:
    """The same network with new random weights, for the model-randomisation check.

    Raises:
        InvalidParameter: the classifier is known by its scores alone.
    """
    if not classifier.differentiable:
        raise InvalidParameter(
            f"{classifier.card.name} is known by its scores alone, so it has no weights to "
            "randomise. Leave this check out.",
            parameter="classifier",
        )
    network = copy.deepcopy(classifier.network)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for module in network.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
    return Classifier(classifier.card, network, f"randomised with seed {seed}")


def similarity(first: Map, second: Map) -> float | None:
    """Spearman's rank correlation of two maps' magnitudes, -1 to 1; equal values share their ranks.

    A method whose maps of a trained and a randomised network are similar explains the clip, not
    the network. None where it is undefined: a map's magnitudes are all the same.
    """
    return _correlation(_ranks(np.abs(first)), _ranks(np.abs(second)))


def _ranks(values: Map) -> npt.NDArray[np.float64]:
    """Ranks from 1 of the flattened values; equal values have the mean of theirs."""
    _, level, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(sizes) - (sizes - 1) / 2)[level.ravel()]
    return ranks


def _correlation(first: npt.NDArray[np.float64], second: npt.NDArray[np.float64]) -> float | None:
    """Pearson's correlation; None where either side doesn't vary."""
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


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
