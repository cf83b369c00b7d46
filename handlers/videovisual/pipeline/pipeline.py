"""The way from a clip to an answer, the same for the library, `Local` and a server.

prepare → classify → resolve the target → explain → evaluate, with the provenance of each map.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from videovisual import faithfulness
from videovisual.engine.probe import classification
from videovisual.errors import DeadlineExceeded
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.multiview import best_window, classify_windows
from videovisual.pipeline.plan import Plan
from videovisual.pipeline.prediction import entropy, prediction, predictions, resolve_target
from videovisual.pipeline.preprocessing import ClipLike, PreparedClip, open_source, read
from videovisual.protocol import Answer, Explanation
from videovisual.saliency import Saliency

Scores = dict[str, float | None]


@dataclass(frozen=True)
class Result:
    """What a plan came to.

    Attributes:
        answer: classes and explanations.
        saliencies: the explanations' maps, in the same order.
        prepared: the clip that was classified; None for several windows.
    """

    answer: Answer
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
            source = open_source(open_clip())
        return Result(classify_windows(plan, source, executor))
    prepared = _prepared(plan, open_clip, executor)
    executor.hold(prepared.nbytes)
    # As a part of an explanation a classification waits like the rest of it.
    (logits,) = executor.run(
        classification(prepared.clip[None]), classification=not plan.explainers
    )
    card, options = plan.classifier.card, plan.options
    found = predictions(card, logits, options.top_k)
    result = Result(
        Answer(model=card.name, predictions=found, clip=dict(prepared.facts)), prepared=prepared
    )
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
    if plan.options.window == "best":
        with executor.decoding():
            source = open_source(open_clip())
        return best_window(plan, source, executor)
    with executor.decoding():
        return read(plan.classifier, open_clip(), plan.sampling)


def _explain(
    plan: Plan,
    explainer: Explainer,
    target: str,
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
    scores: Scores | None = None
    try:
        work = here.attribute(result.prepared, index)
        saliency = executor.run(work, device=device, subject=subject)
    except DeadlineExceeded:
        if not options.partial or executor.best is None:
            raise
        saliency = executor.best()
    else:
        if options.evaluate:
            try:
                measure = faithfulness.evaluate(here.case(result.prepared, index), saliency)
                scores = executor.run(measure, device=device, subject=subject).to_json()
            except DeadlineExceeded:
                if not options.partial:
                    raise
                saliency = saliency.with_facts(evaluated=False)
    saliency = saliency.with_facts(prediction_entropy=entropy(logits))
    result.saliencies.append(saliency)
    shown = prediction(card, logits, index)
    result.answer.explanations.append(Explanation.of(saliency, explainer.entry.name, shown, scores))
