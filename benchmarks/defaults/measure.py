"""One explanation of one clip, measured."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.defaults.material import Material
from videovisual import faithfulness
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import classification
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.preprocessing import PreparedClip
from videovisual.zoo import Classifier

BORDER = 0.08
"""The border of the crop, as a share of its side: it holds the centres of the outer of 7 cells."""

TOLERANCE = 4
"""Pixels of a 64 × 64 frame by which the pointing game may miss."""


@dataclass(frozen=True)
class Measured:
    """One row of the results.

    Attributes:
        label: the true class; None where the model has none for the clip.
        top1, probability: the model's first class, and its probability.
        label_probability: of the true class.
        seconds: processor time of the map on one core.
        insertion, deletion: see `videovisual.faithfulness`, for the first class; None where its
            true class is not known.
        peak: of the map: its frame, and its place from the left and the top as shares.
        at_border: whether the peak lies in the outer `BORDER` of the crop.
        border_share: of all |map|, in that border.
        time_cells: how many times the method tells apart.
        relative_delta: incompleteness, where the method reports it.
        pointing: where the evidence is known.
    """

    label: str | None
    top1: str
    probability: float
    label_probability: float | None
    seconds: float
    insertion: float | None
    deletion: float | None
    peak: tuple[int, float, float]
    at_border: bool
    border_share: float
    time_cells: int
    relative_delta: float | None = None
    pointing: float | None = None


class Measurement:
    """Measures maps of one classifier, on one thread.

    Args:
        classifier: what is explained.
        points: steps of the insertion and deletion curves.
    """

    def __init__(self, classifier: Classifier, points: int) -> None:
        torch.set_num_threads(1)
        self._classifier = classifier
        self._runner = ModelRunner(classifier.network, "cpu")
        self._points = points

    def row(
        self, material: Material, frames: int, method: str, given: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Explain the first class of a clip of that many frames, and measure the map."""
        card = self._classifier.card
        prepared = material.prepare(self._classifier, frames)
        chances = run(self._runner, classification(prepared.clip[None]))[0].softmax(dim=0)
        first = int(chances.argmax())
        explainer = Explainer.of(self._classifier, method, given)
        began = time.process_time()
        saliency = run(self._runner, explainer.attribute(prepared, first))
        seconds = time.process_time() - began
        scores: tuple[float | None, float | None] = (None, None)
        if material.label is not None:
            case = explainer.case(prepared, first)
            work = faithfulness.insertion_deletion(case, saliency.map, self._points)
            scores = run(self._runner, work)
        insertion, deletion = (None if each is None else round(each, 4) for each in scores)
        count, height, width = saliency.map.shape
        frame, row, column = saliency.peak()
        place = (column + 0.5) / width, (row + 0.5) / height
        outer = torch.ones(height, width, dtype=torch.bool)
        down, right = round(BORDER * height), round(BORDER * width)
        outer[down : height - down, right : width - right] = False
        mass = torch.from_numpy(saliency.map).abs()
        label = None if material.label is None else card.target(material.label)
        layer = saliency.diagnostics.get("layer_shape")
        return asdict(
            Measured(
                label=material.label,
                top1=card.labels[first],
                probability=round(float(chances[first]), 4),
                label_probability=None if label is None else round(float(chances[label]), 4),
                seconds=round(seconds, 3),
                insertion=insertion,
                deletion=deletion,
                peak=(frame, round(place[0], 3), round(place[1], 3)),
                at_border=any(min(share, 1 - share) < BORDER for share in place),
                border_share=round(float(mass[:, outer].sum() / mass.sum().clamp(min=1e-12)), 4),
                time_cells=layer[0] if layer else count,
                relative_delta=saliency.diagnostics.get("relative_delta"),
                pointing=self._pointing(material, prepared, saliency.map),
            )
        )

    def _pointing(self, material: Material, prepared: PreparedClip, values: Any) -> float | None:
        evidence = material.seen(prepared)
        if evidence is None:
            return None
        return faithfulness.pointing(values, evidence, TOLERANCE)
