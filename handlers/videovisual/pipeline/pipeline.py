"""The way from a clip to an answer, the same for the library, `Local` and a server.

prepare → classify → resolve the target → explain → evaluate, with the provenance of each map.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from videovisual.clips import Source
from videovisual.clips.windows import PIECE_BYTES
from videovisual.engine.probe import classification
from videovisual.errors import DeadlineExceeded
from videovisual.pipeline.clip_logits import clip_logits
from videovisual.pipeline.evaluation import Evaluation, Scores
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.multiview import best_window, classify_windows
from videovisual.pipeline.plan import Plan
from videovisual.pipeline.prediction import (
    entropy,
    is_top1,
    prediction,
    predictions,
    resolve_target,
)
from videovisual.pipeline.preprocessing import (
    ClipLike,
    PreparedClip,
    decoded_bytes,
    open_source,
    read,
)
from videovisual.protocol import Answer, Explanation
from videovisual.protocol.sentences import summarised
from videovisual.saliency import Saliency


@dataclass(frozen=True)
class Result:
    """What a plan came to.

    Attributes:
        answer: classes and explanations.
        logits: float32 [classes]; of several windows their average.
        saliencies: the explanations' maps, in the same order.
        prepared: the clip that was classified; None for several windows.
    """

    answer: Answer
    logits: torch.Tensor
    saliencies: list[Saliency] = field(default_factory=list)
    prepared: PreparedClip | None = None


def run_plan(plan: Plan, open_clip: Callable[[], ClipLike], executor: Executor) -> Result:
    """Carry a plan out.

    Args:
        plan: what is asked for.
        open_clip: opens the clip; called once, while `executor.decoding()` is entered.
        executor: runs the network.

    Raises:
        Cancelled, DeadlineExceeded: the request ended first, and no map was ready.
        VideoVisualError: any other of `videovisual.errors`.
    """
    if plan.several_windows:
        with executor.decoding():
            source = open_source(open_clip(), as_shown=plan.options.as_shown)
            _hold(plan, source, executor)
        return Result(*classify_windows(plan, source, executor))
    prepared = _prepared(plan, open_clip, executor)
    # As a part of an explanation a classification waits like the rest of it.
    logits = clip_logits(
        plan, classification(prepared.clip[None]), executor, classification=not plan.explainers
    )
    card, options = plan.classifier.card, plan.options
    found = predictions(card, logits, options.top_k)
    answer = Answer(
        model=card.name,
        predictions=found,
        clip=dict(prepared.facts),
        classifier_sha256=plan.classifier.sha256,
    )
    result = Result(answer, logits, prepared=prepared)
    for explainer, target in itertools.product(plan.explainers, options.target):
        try:
            _explain(plan, explainer, target, logits, result, executor)
        except DeadlineExceeded:
            if not (options.partial and result.saliencies):
                raise
            break
    return result


def _prepared(plan: Plan, open_clip: Callable[[], ClipLike], executor: Executor) -> PreparedClip:
    """The window of the clip that is asked for."""
    with executor.decoding():
        clip = open_clip()
        best = plan.options.window == "best"
        if isinstance(clip, torch.Tensor) and not best:
            return read(plan.classifier, clip, plan.sampling)
        source = open_source(clip, as_shown=plan.options.as_shown)
        _hold(plan, source, executor)
        if not best:
            return read(plan.classifier, source, plan.sampling)
    return best_window(plan, source, executor)


def _hold(plan: Plan, source: Source, executor: Executor) -> None:
    """Reserve memory for the source frames that are decoded at one time."""
    window = decoded_bytes(plan.classifier.card, source, plan.sampling)
    # Windows are copies of frames that are read ahead, for several of them at once.
    ahead = plan.several_windows or plan.options.window == "best"
    executor.hold(window + max(window, PIECE_BYTES) if ahead else window)


def _explain(
    plan: Plan,
    explainer: Explainer,
    target: str | int,
    logits: torch.Tensor,
    result: Result,
    executor: Executor,
) -> None:
    """Add one explanation to a result."""
    assert result.prepared is not None
    card, options = plan.classifier.card, plan.options
    index = resolve_target(card, target, logits)
    subject = {"method": explainer.entry.name, "target": card.labels[index]}
    here, device = executor.place(explainer)
    where: dict[str, Any] = {"device": device, "subject": subject}
    scores: Scores | None = None
    try:
        saliency = executor.run(here.attribute(result.prepared, index), **where)
    except DeadlineExceeded:
        if not options.partial or executor.best is None:
            raise
        saliency = executor.best()
    else:
        evaluation = Evaluation(here, result.prepared, index, executor, where)
        saliency, scores = evaluation.measured(options, saliency)
    if card.scores == "softmax":
        # Labels that don't exclude one another leave nothing to decide.
        saliency = saliency.with_facts(prediction_entropy=entropy(logits))
    other = None if is_top1(target) else card.other_reading(target)
    if other is not None:
        reading = {"name": target, "index_of": card.labels[other]}
        saliency = saliency.with_facts(target_read_as=reading)
    result.saliencies.append(saliency)
    shown = prediction(card, logits, index)
    explanation = Explanation.of(saliency, explainer.entry.name, shown, scores)
    result.answer.explanations.append(summarised(explanation, result.answer))
