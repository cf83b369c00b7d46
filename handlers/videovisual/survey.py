"""Classification of more than one window of a clip: views of it, or its timeline."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any

import torch

from videovisual import clips, windows
from videovisual.clips import Clip, Source
from videovisual.engine.engine import run
from videovisual.engine.oracle import Oracle
from videovisual.engine.probe import Classification, Probe, classification
from videovisual.engine.progress import Progress
from videovisual.errors import InvalidParameter
from videovisual.explanation import ClipLike, open_source, predictions, prepare, read, sampling
from videovisual.protocol import OF_EXPLANATIONS, Answer, Options, Second, split_options
from videovisual.zoo import Classifier, ModelCard, load
from videovisual.zoo.transform import geometry

Evaluate = Callable[[Classification], torch.Tensor]
"""Has the network classify one window; returns its logits, float32 [1, classes]."""


def wanted(options: Options) -> bool:
    """Whether a request asks for more than one window."""
    return options.views > 1 or options.timeline


def check(options: Options, *, explains: bool) -> None:
    """Refuse what `views` and `timeline` cannot be combined with.

    Raises:
        InvalidParameter: an explanation is asked for too, or both are.
    """
    if explains and wanted(options):
        name = "timeline" if options.timeline else "views"
        raise InvalidParameter(
            f"{name} is for classification only: an explanation is of one window. Leave {name} "
            "out, and choose the window with start_s and end_s.",
            parameter=name,
        )
    if options.timeline and options.views > 1:
        raise InvalidParameter(
            "A timeline has one window a second already. Leave views out, or timeline.",
            parameter="views",
            given=options.views,
        )


def average(card: ModelCard, logits: torch.Tensor) -> torch.Tensor:
    """Several windows' scores as one.

    Args:
        card: its `view_average` says what is averaged.
        logits: float32 [N, classes].

    Returns:
        float32 [classes]: the mean logits, or the logarithm of the mean probabilities. The softmax
        of either is the probability of each class.
    """
    if card.view_average == "probabilities":
        return logits.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(logits))
    return logits.mean(dim=0)


def survey(
    classifier: Classifier,
    source: Source,
    options: Options,
    evaluate: Evaluate,
    decoding: AbstractContextManager[Any] | None = None,
) -> Answer:
    """Classify a clip's views, or each of its seconds.

    Args:
        classifier: the model.
        source: the clip.
        options: `views` or `timeline`, and `top_k`, `frames`, `start_s`, `end_s`.
        evaluate: classifies one window; others' work may come between two of them.
        decoding: entered whenever frames are decoded.

    Returns:
        The average over all windows as `predictions`; with `timeline` each second's too.

    Raises:
        ClipTooShort, InvalidParameter: see `clips.plan` and `windows.seconds`.
    """
    card = classifier.card
    info, plan = source.info, sampling(card, options)
    seconds = windows.seconds(source, plan) if options.timeline else []
    chosen = [second.indices for second in seconds] or [
        tuple(view) for view in clips.plan(source.times, info.frame_count, plan, info.duration_s)
    ]
    scores: list[torch.Tensor] = []
    for clip in _decoded(source, chosen, decoding or nullcontext()):
        prepared = prepare(classifier, clip)
        progress = Progress(len(scores), len(chosen))
        scores.append(evaluate(_question(prepared.clip, progress))[0])
    return Answer(
        model=card.name,
        predictions=predictions(card, average(card, torch.stack(scores)), options.top_k),
        timeline=[
            Second(
                start_s=second.start_s,
                end_s=second.end_s,
                predictions=predictions(card, logits, options.top_k),
            )
            for second, logits in zip(seconds, scores, strict=False)
        ],
        clip={
            "crop": asdict(geometry(card.input, info.height, info.width)),
            "source": asdict(info),
            "windows": [_facts(source, window) for window in chosen],
            "average": card.view_average,
        },
    )


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
    check(chosen, explains=bool(chosen.method))
    for name in options:
        if name in rest or name in ("method", *OF_EXPLANATIONS):
            raise InvalidParameter(f"A classification has no option {name!r}.", parameter=name)
    classifier = load(model) if isinstance(model, str) else model
    oracle = Oracle(classifier.network, classifier.device)

    def evaluate(work: Classification) -> torch.Tensor:
        return run(oracle, work, on_progress)

    if wanted(chosen):
        return survey(classifier, open_source(clip), chosen, evaluate)
    prepared = read(classifier, clip, chosen)
    logits = evaluate(classification(prepared.clip[None]))[0]
    return Answer(
        model=classifier.card.name,
        predictions=predictions(classifier.card, logits, chosen.top_k),
        clip=dict(prepared.facts),
    )


def _decoded(
    source: Source, chosen: Sequence[windows.Indices], decoding: AbstractContextManager[Any]
) -> Iterator[Clip]:
    decoded = windows.read(source, chosen)
    while True:
        with decoding:
            clip = next(decoded, None)
        if clip is None:
            return
        yield clip


def _question(clip: torch.Tensor, progress: Progress) -> Classification:
    reading = yield Probe(clip[None], progress=progress)
    return reading.logits


def _facts(source: Source, window: windows.Indices) -> dict[str, Any]:
    times = source.times
    return {
        "frame_indices": list(window),
        "timestamps": None if times is None else times[list(window)].tolist(),
    }
