"""The library's own functions: classify a clip, and explain the answer, without a server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from videovisual.attribution import catalogue
from videovisual.engine.engine import run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Classification, classification
from videovisual.engine.progress import Progress
from videovisual.errors import InvalidParameter
from videovisual.pipeline import multiview
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.prediction import predictions, resolve_target
from videovisual.pipeline.preprocessing import ClipLike, open_source, read
from videovisual.protocol import OF_EXPLANATIONS, Answer, split_options
from videovisual.saliency import Saliency
from videovisual.utils.polarity import Polarity
from videovisual.zoo import Classifier, load


def classify(
    model: Classifier | str,
    clip: ClipLike,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Answer:
    """Classify a clip, without a server.

    Args:
        model: a classifier, or a model's name.
        clip: path of a video or of a folder of frames; uint8 [T, H, W, 3] frames; an opened
            `videovisual.clips.Source`; or a prepared float32 tensor [3, T, H, W].
        on_progress: called before each window of several.
        options: `top_k`, how many classes to list; `views`, so many windows, evenly spread, whose
            scores are averaged as the model's paper does; `timeline`, every second by itself too;
            `frames` of a window; `start_s` and `end_s`, the part of the clip to look at.

    Returns:
        The answer that a server gives.

    Raises:
        VideoVisualError: one of `videovisual.errors`, saying what to change.
    """
    chosen, rest = split_options(options)
    multiview.check(chosen, explains=bool(chosen.method))
    for name in options:
        if name in rest or name in ("method", *OF_EXPLANATIONS):
            raise InvalidParameter(f"A classification has no option {name!r}.", parameter=name)
    classifier = load(model) if isinstance(model, str) else model
    oracle = ModelRunner(classifier.network, classifier.device)

    def evaluate(work: Classification) -> torch.Tensor:
        return run(oracle, work, on_progress)

    if multiview.wanted(chosen):
        return multiview.survey(classifier, open_source(clip), chosen, evaluate)
    prepared = read(classifier, clip, chosen)
    logits = evaluate(classification(prepared.clip[None]))[0]
    return Answer(
        model=classifier.card.name,
        predictions=predictions(classifier.card, logits, chosen.top_k),
        clip=dict(prepared.facts),
    )


def explain(
    model: Classifier | str,
    clip: ClipLike,
    method: str = catalogue.DEFAULT,
    target: str | int = "top1",
    *,
    seed: int = 0,
    polarity: Polarity = "both",
    on_progress: Callable[[Progress], None] | None = None,
    **parameters: Any,
) -> Saliency:
    """Explain one clip, without a server.

    Args:
        model: a classifier, or a model's name.
        clip: path of a video or of a folder of frames; uint8 [T, H, W, 3] frames; an opened
            `videovisual.clips.Source`; or a prepared float32 tensor [3, T, H, W].
        method: an attribution method's name.
        target: a class name, an index, or `top1`.
        seed: of all randomness; the same seed gives the same map.
        polarity: of a signed map the `positive` or the `negative` side, each unsigned, or `both`,
            the map as it is.
        on_progress: called before each step.
        parameters: the method's own.

    Returns:
        The saliency; its map is float32 [T, H, W] over the model's crop.

    Raises:
        VideoVisualError: one of `videovisual.errors`, saying what to change.
    """
    classifier = load(model) if isinstance(model, str) else model
    explainer = Explainer.of(classifier, method, parameters, seed=seed, polarity=polarity)
    prepared = read(classifier, clip)
    oracle = ModelRunner(classifier.network, classifier.device)
    logits = run(oracle, classification(prepared.clip[None]))[0]
    index = resolve_target(classifier.card, target, logits)
    return run(oracle, explainer.attribute(prepared, index), on_progress)
