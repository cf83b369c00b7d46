"""Multi-view testing: several windows of one clip are classified, and their scores averaged."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import torch

from videovisual import clips
from videovisual.clips import Clip, Source, windows
from videovisual.engine.probe import Classification, Probe
from videovisual.engine.progress import Progress
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.finite import check_logits
from videovisual.pipeline.plan import Plan
from videovisual.pipeline.prediction import predictions
from videovisual.pipeline.preprocessing import prepare
from videovisual.protocol import Answer, Second
from videovisual.zoo import ModelCard
from videovisual.zoo.transform import geometry


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


def classify_windows(plan: Plan, source: Source, executor: Executor) -> Answer:
    """Classify a clip's views, or each of its seconds.

    Args:
        plan: with `views` or `timeline` among its options.
        source: the clip.
        executor: runs the network; other requests may be served between two windows.

    Returns:
        The average over all windows as `predictions`; with `timeline` each second's too.

    Raises:
        ClipTooShort, InvalidParameter: see `clips.plan` and `clips.windows.seconds`.
    """
    card, options, info = plan.classifier.card, plan.options, source.info
    seconds = windows.seconds(source, plan.sampling) if options.timeline else []
    chosen = [second.indices for second in seconds] or [
        tuple(view)
        for view in clips.plan(source.times, info.frame_count, plan.sampling, info.duration_s)
    ]
    scores: list[torch.Tensor] = []
    for clip in _decoded(source, chosen, executor):
        prepared = prepare(plan.classifier, clip, source)
        progress = Progress(len(scores), len(chosen))
        scores.append(
            executor.run(_classification(prepared.clip, progress), classification=True)[0]
        )
        check_logits(card, scores[-1])
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
            "source": info.facts(),
            "windows": [_facts(source, window) for window in chosen],
            "average": card.view_average,
        },
    )


def _decoded(
    source: Source, chosen: Sequence[windows.Indices], executor: Executor
) -> Iterator[Clip]:
    decoded = windows.read(source, chosen)
    while True:
        with executor.decoding():
            clip = next(decoded, None)
        if clip is None:
            return
        yield clip


def _classification(clip: torch.Tensor, progress: Progress) -> Classification:
    reading = yield Probe(clip[None], progress=progress)
    return reading.logits


def _facts(source: Source, window: windows.Indices) -> dict[str, Any]:
    times = source.times
    return {
        "frame_indices": list(window),
        "timestamps": None if times is None else times[list(window)].tolist(),
    }
