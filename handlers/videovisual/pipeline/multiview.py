"""Multi-view testing: several windows of one clip are classified, and their scores averaged."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import zip_longest
from typing import Any

import torch

from videovisual import clips
from videovisual.clips import Clip, Source, windows
from videovisual.engine.probe import Classification, Probe
from videovisual.engine.progress import Progress
from videovisual.engine.scores import Scores
from videovisual.pipeline.clip_logits import clip_logits
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.plan import Plan
from videovisual.pipeline.prediction import predictions, resolve_target
from videovisual.pipeline.preprocessing import PreparedClip, looked_at, prepare
from videovisual.protocol import Answer, Second
from videovisual.zoo import ModelCard
from videovisual.zoo.transform import geometry

MAX_WINDOWS = 10
"""The most windows among which the best is looked for."""


def average(card: ModelCard, logits: torch.Tensor) -> torch.Tensor:
    """Several windows' scores as one.

    Args:
        card: its `view_average` says what is averaged.
        logits: float32 [N, classes].

    Returns:
        float32 [classes]: the mean logits; or, of softmax scores, the logarithm of the mean
        probabilities. The softmax of either is the probability of each class.
    """
    if card.view_average == "probabilities" and card.scores == "softmax":
        return logits.log_softmax(dim=1).logsumexp(dim=0) - math.log(len(logits))
    return logits.mean(dim=0)


def classify_windows(plan: Plan, source: Source, executor: Executor) -> tuple[Answer, torch.Tensor]:
    """Classify a clip's views, or each of its seconds.

    Args:
        plan: with `views` or `timeline` among its options.
        source: the clip.
        executor: runs the network; other requests may be served between two windows.

    Returns:
        The average over all windows as `predictions`, with `timeline` each second's too; and the
        average itself, float32 [classes].

    Raises:
        ClipTooShort, InvalidParameter: see `clips.plan` and `clips.windows.seconds`.
    """
    card, options, info = plan.classifier.card, plan.options, source.info
    seconds = windows.seconds(source, plan.sampling) if options.timeline else []
    chosen = [second.indices for second in seconds] or [
        tuple(view)
        for view in clips.plan(source.times, info.frame_count, plan.sampling, info.duration_s)
    ]
    scores = _scores(plan, source, chosen, executor, classification=True)
    logits = average(card, torch.stack(scores))
    answer = Answer(
        model=card.name,
        classifier_sha256=plan.classifier.sha256,
        predictions=predictions(card, logits, options.top_k),
        timeline=[
            Second(
                start_s=second.start_s,
                end_s=second.end_s,
                predictions=predictions(card, own, options.top_k),
            )
            for second, own in zip(seconds, scores, strict=False)
        ],
        clip={
            "crop": asdict(geometry(card.input, info.height, info.width)),
            "source": info.facts(),
            "windows": [
                _facts(source, window) | _range(second)
                for window, second in zip_longest(chosen, seconds)
            ],
            "average": card.view_average,
        },
    )
    return answer, logits


def best_window(plan: Plan, source: Source, executor: Executor) -> PreparedClip:
    """The window of a clip in which the first target is most likely.

    As many windows of the model's length as fill the range, at most `MAX_WINDOWS`, are spread
    evenly from its start to its end. `top1` is the class that they give on average. A model that
    sees the whole range has one window.

    Args:
        plan: with `window=best` among its options.
        source: the clip.
        executor: runs the network.

    Returns:
        The window, made ready; its facts have `window`: how many there were, and the target's
        probability in each.

    Raises:
        ClipTooShort, InvalidParameter: see `clips.plan`.
    """
    card = plan.classifier.card
    chosen = _side_by_side(source, plan.sampling)
    scores = torch.stack(_scores(plan, source, chosen, executor, classification=False))
    target = resolve_target(card, plan.options.target[0], average(card, scores))
    chances = Scores(card.scores).probabilities(scores)[:, target]
    measure = "scores" if card.scores == "raw" else "probabilities"
    with executor.decoding():
        (clip,) = windows.read(source, [chosen[int(chances.argmax())]])
    prepared = prepare(plan.classifier, clip, source)
    window = {
        "chosen": "best",
        "of": len(chosen),
        "target": card.labels[target],
        measure: [round(chance, 4) for chance in chances.tolist()],
    }
    facts = {**prepared.facts, **looked_at(clip, plan.sampling), "window": window}
    return replace(prepared, facts=facts)


def _side_by_side(source: Source, sampling: clips.Sampling) -> list[list[int]]:
    """The indices of the frames of each window, from the start of the range to its end."""
    info, times = source.info, source.times
    whole = clips.plan(times, info.frame_count, sampling, info.duration_s)
    if times is None or info.duration_s is None or sampling.fps is None:
        return whole
    start, end = sampling.start_s or 0.0, min(sampling.end_s or info.duration_s, info.duration_s)
    length = sampling.frames / sampling.fps
    # A remainder of less than a frame gets no window.
    count = math.ceil((end - start) / length - 1 / sampling.frames)
    if count < 2:
        return whole
    count = min(count, MAX_WINDOWS)
    found = []
    for number in range(count):
        begin = start + (end - start - length) * number / (count - 1)
        part = replace(sampling, start_s=begin, end_s=begin + length, min_frames=1)
        found += clips.plan(times, info.frame_count, part, info.duration_s)
    return found


def _scores(
    plan: Plan,
    source: Source,
    chosen: Sequence[windows.Indices],
    executor: Executor,
    *,
    classification: bool,
) -> list[torch.Tensor]:
    """The logits [classes] of each window."""
    scores: list[torch.Tensor] = []
    for clip in _decoded(source, chosen, executor):
        prepared = prepare(plan.classifier, clip, source)
        progress = Progress(len(scores), len(chosen))
        work = _classification(prepared.clip, progress)
        scores.append(clip_logits(plan, work, executor, classification=classification))
    return scores


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


def _range(second: windows.Second | None) -> dict[str, float]:
    """The part of the clip that an explanation of this window asks for."""
    return {} if second is None else dict(zip(("start_s", "end_s"), second.window, strict=True))


def _facts(source: Source, window: windows.Indices) -> dict[str, Any]:
    times = source.times
    return {
        "frame_indices": list(window),
        "timestamps": None if times is None else times[list(window)].tolist(),
    }
