"""Computing an answer again from its own provenance."""

from __future__ import annotations

import os

import pytest
import torch

import videovisual
from videovisual import clips, motion
from videovisual.errors import InvalidParameter, TooLarge
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.pipeline import run_plan
from videovisual.pipeline.plan import Plan
from videovisual.pipeline.recompute import recompute, threads
from videovisual.protocol import Answer, split_options
from videovisual.zoo import Classifier


@pytest.fixture(scope="module")
def source() -> clips.Source:
    return clips.open_frames(motion.sample(4).frames)


@pytest.fixture(scope="module")
def model() -> Classifier:
    return videovisual.load("tsm-motion")


@pytest.fixture(scope="module")
def stated(model: Classifier, source: clips.Source) -> Answer:
    asked = {"method": ["rise", "gradient"], "target": [2, "top1"], "polarity": "positive"}
    plan = Plan.of(model, *split_options({**asked, "masks": 4, "seed": 5}))
    return run_plan(plan, lambda: source, Executor(model)).answer


def changed(stated: Answer, **facts: object) -> Answer:
    (first, *_) = stated.explanations
    provenance = {**first.provenance, **facts}
    return stated.model_copy(
        update={"explanations": [first.model_copy(update={"provenance": provenance})]}
    )


def test_the_same_maps_and_scores_in_the_same_order(
    model: Classifier, stated: Answer, source: clips.Source
) -> None:
    again = recompute(model, source, stated)
    assert [each.method for each in again.explanations] == ["rise", "rise", "gradient", "gradient"]
    for old, new in zip(stated.explanations, again.explanations, strict=True):
        assert (old.map, old.signed_map, old.target) == (new.map, new.signed_map, new.target)
    assert again.predictions[: len(stated.predictions)] == stated.predictions
    assert len(again.predictions) == len(motion.LABELS)


def test_what_asks_for_too_much_is_refused(
    model: Classifier, stated: Answer, source: clips.Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record comes from anywhere, so it asks for no more than a request may."""
    monkeypatch.setattr("videovisual.pipeline.recompute.MAX_PASSES", 100)
    with pytest.raises(TooLarge, match="at most 100 are made"):
        recompute(model, source, changed(stated, method="rise", parameters={"masks": 101}))
    with pytest.raises(InvalidParameter, match="frames = 1000"):
        recompute(model, source, changed(stated, frame_indices=[0] * 1000))
    with pytest.raises(InvalidParameter, match="The clip has frames 0 to"):
        recompute(model, source, changed(stated, frame_indices=[10**9] * 8))


def test_as_many_threads_as_recorded_and_then_the_callers_again() -> None:
    own = torch.get_num_threads()
    with threads(1):
        assert torch.get_num_threads() == 1
    with threads((os.cpu_count() or 1) + 1):
        assert torch.get_num_threads() == own
    assert torch.get_num_threads() == own
