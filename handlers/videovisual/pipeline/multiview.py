"""Classification of more than one window of a clip: views of it, or its timeline."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any

import torch

from videovisual import clips
from videovisual.clips import Clip, Source, windows
from videovisual.engine.probe import Classification, Probe
from videovisual.engine.progress import Progress
from videovisual.errors import InvalidParameter
from videovisual.pipeline.prediction import predictions
from videovisual.pipeline.preprocessing import prepare, sampling
from videovisual.protocol import Answer, Options, Second
from videovisual.zoo import Classifier, ModelCard
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
