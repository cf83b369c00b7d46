"""An answer computed again from its clip and its own provenance."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from os import cpu_count
from typing import Any

import torch

from videovisual.clips import Clip, Source
from videovisual.engine.progress import Progress
from videovisual.pipeline.cost import check_passes
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.pipeline import run_plan
from videovisual.pipeline.plan import Plan
from videovisual.pipeline.preprocessing import prepare
from videovisual.protocol import Answer, Explanation, Options, Provenance
from videovisual.zoo import Classifier

MAX_PASSES = 200_000
"""Passes of the network that are made for one explanation, as many as a server makes."""

MAX_LISTED = 1000
"""The most classes that an answer lists."""


def recompute(
    classifier: Classifier,
    source: Source,
    stated: Answer,
    on_progress: Callable[[Progress], None] | None = None,
) -> Answer:
    """Ask again what an answer answers.

    Args:
        classifier: the one that answered.
        source: the clip.
        stated: the answer; its explanations' provenance says what was asked for.
        on_progress: called before each step.

    Returns:
        The answer with all classes, up to 1000, its explanations in the same order.

    Raises:
        ValidationError: an explanation has no provenance that says how to make it.
        TooLarge: an explanation takes more than `MAX_PASSES` passes.
        VideoVisualError: it can't be computed by this version, for this clip.
    """
    found: list[Answer] = []
    explanations: list[Explanation] = []
    facts: dict[str, Any] = {}
    for explanation in stated.explanations:
        asked = Provenance.model_validate(explanation.provenance)
        plan = _plan(classifier, asked, explanation.faithfulness or ())
        frames = source.read(asked.frame_indices)
        prepared = prepare(classifier, Clip.of(source, asked.frame_indices, frames), source)
        facts = dict(prepared.facts)
        with threads(asked.threads):
            executor = Executor(classifier, on_progress)
            found.append(run_plan(plan, partial(_itself, prepared.clip), executor).answer)
        (again,) = found[-1].explanations
        # The pipeline took the clip as it was prepared here, so the facts of that are added.
        whole = {**again.provenance, **facts}
        explanations.append(again.model_copy(update={"provenance": whole}))
    return found[0].model_copy(update={"explanations": explanations, "clip": facts})


def _itself(clip: torch.Tensor) -> torch.Tensor:
    return clip


def _plan(classifier: Classifier, asked: Provenance, measured: Collection[str]) -> Plan:
    """What was asked for, with the measures of those names."""
    stability = [name for name in measured if name.startswith("stability")]
    options = Options(
        method=(asked.method,),
        target=(asked.target.index,),
        seed=asked.seed,
        polarity=asked.polarity,
        frames=len(asked.frame_indices),
        top_k=min(MAX_LISTED, len(classifier.card.labels)),
        evaluate=len(measured) > len(stability),
        stability=bool(stability),
    )
    parameters = dict(asked.parameters)
    if asked.precision == "float32" and "precision" in parameters:
        # Left open, it would be that of this machine.
        parameters["precision"] = asked.precision
    plan = Plan.of(classifier, options, parameters)
    check_passes(plan, MAX_PASSES)
    return plan


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """As many threads as the record's, on which rounding depends, where this machine has them."""
    own = torch.get_num_threads()
    if count is not None and 1 <= count <= (cpu_count() or 1):
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(own)
