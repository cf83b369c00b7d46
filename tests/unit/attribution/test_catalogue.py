"""What the catalogue says that a method costs is what it takes."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import torch
from tests import transformer

from videovisual import motion, zoo
from videovisual.attribution import catalogue
from videovisual.attribution.perturbation.methods import PRESETS
from videovisual.attribution.perturbation.preset import STEADIER, random_of
from videovisual.engine.probe import Attribution
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.explainer import Explainer
from videovisual.pipeline.preprocessing import PreparedClip, read

SEARCHES = ("ep_2d", "ep_3d", "step")
ATTENTION = [entry.name for entry in catalogue.ENTRIES if "attention" in entry.needs]
RUN = [
    entry.name
    for entry in catalogue.ENTRIES
    if not entry.extra and entry.name not in (*SEARCHES, *ATTENTION)
]


def number(entry: catalogue.Entry) -> int:
    (found,) = re.findall(r"\d+", entry.default_cost)
    return int(found)


def counted(work: Attribution, seen: Counter[bool]) -> Attribution:
    """The same work; `seen` counts its clips, with (true) and without a gradient."""
    try:
        probe = next(work)
        while True:
            seen[probe.differentiates] += len(probe.clips)
            probe = work.send((yield probe))
    except StopIteration as stop:
        return stop.value


@pytest.mark.parametrize("name", RUN)
def test_the_cost_is_the_number_of_clips_that_are_evaluated(name: str) -> None:
    given = {"rise": {"masks": 30}, "lime": {"samples": 30}}.get(name, {})
    classifier = zoo.load("tsm-motion")
    explainer = Explainer.of(classifier, name, given, batch=8)
    seen: Counter[bool] = Counter()
    work = explainer.attribute(read(classifier, motion.sample(0).frames), 0)
    Executor(classifier).run(counted(work, seen))
    entry = catalogue.find(name)
    scores = entry.needs == "scores"
    # The pass that classifies the whole clip isn't counted.
    expected = next(iter(given.values()), number(entry)) + (name == "occlusion")
    assert (seen[not scores], seen[scores] <= 2) == (expected, True)
    assert ("pass" in entry.default_cost) == scores


@pytest.mark.parametrize("name", ATTENTION)
def test_the_cost_of_reading_attention_is_one_pass(name: str) -> None:
    classifier = transformer.classifier(transformer.Transformer())
    clip = torch.randn(classifier.card.input.shape)
    seen: Counter[bool] = Counter()
    work = Explainer.of(classifier, name, {}).attribute(PreparedClip(clip, None, {}), 0)
    Executor(classifier).run(counted(work, seen))
    assert sum(seen.values()) == number(catalogue.find(name)) == 1


@pytest.mark.parametrize("name", SEARCHES)
def test_the_cost_of_a_search_is_its_most_iterations(name: str) -> None:
    iterations = PRESETS[name]["quick"].iterations
    more = random_of(iterations) + STEADIER.passes_of(iterations) if name == "ep_3d" else 0
    assert number(catalogue.find(name)) == iterations + more
