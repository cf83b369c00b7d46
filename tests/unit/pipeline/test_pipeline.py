"""The steps from a clip to an answer: the same for the library, `Local` and a server."""

from __future__ import annotations

import io
import json
import time

import numpy as np
import pytest
import torch
from tests.frames import blocks

import videovisual
from videovisual import clips
from videovisual.attribution import catalogue
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Result, Work
from videovisual.errors import DeadlineExceeded, InvalidParameter, InvalidTarget
from videovisual.pipeline.executor import Executor, runner_of
from videovisual.pipeline.pipeline import run_plan
from videovisual.pipeline.plan import Plan
from videovisual.protocol import Explanation, split_options
from videovisual.server.request import Request
from videovisual.server.service import Service
from videovisual.server.settings import Settings
from videovisual.zoo import Classifier
from videovisual_client.local import Local

TIMEOUT_S = 60
FPS = 16


@pytest.fixture
def frames() -> np.ndarray:
    return blocks(32, 64, 64)


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of passes of every runner, in their order."""
    kinds: list[str] = []
    read = ModelRunner.read

    def counted(runner: ModelRunner, kind: object, *rest: object) -> object:
        kinds.append(kind.name)  # type: ignore[attr-defined]
        return read(runner, kind, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(ModelRunner, "read", counted)
    return kinds


def plan(classifier: Classifier, **given: object) -> Plan:
    options, parameters = split_options(given)
    return Plan.of(classifier, options, parameters)


def served(classifier: Classifier, upload: bytes, **parts: bytes) -> Explanation:
    service = Service(classifier, settings=Settings(idle=False, threads=torch.get_num_threads()))
    try:
        state = service.submit(Request({"video": upload, **parts}))
        deadline = time.monotonic() + TIMEOUT_S
        while state.reply is None:
            assert time.monotonic() < deadline, "no reply"
            service.wait(0.05)
    finally:
        service.close()
    (explanation,) = json.loads(state.reply.body)["explanations"]
    return Explanation.model_validate(explanation)


def test_library_and_service_answer_the_same(small: Classifier, frames: np.ndarray) -> None:
    """Map, diagnostics and provenance, of a window in the middle of the clip."""
    buffer = io.BytesIO()
    np.savez(buffer, frames=frames, fps=FPS)
    ours = videovisual.explain(
        small,
        clips.open_bytes(buffer.getvalue()),
        method="ep_3d",
        iterations=3,
        frames=8,
        start_s=0.5,
        end_s=1.5,
    )
    window = {"frames": b"8", "start_s": b"0.5", "end_s": b"1.5"}
    answered = served(small, buffer.getvalue(), method=b"ep_3d", iterations=b"3", **window)
    theirs = answered.to_saliency()
    assert ours.summary == answered.summary
    np.testing.assert_array_equal(ours.map, theirs.map)
    assert len(ours.map) == 8
    assert json.loads(json.dumps(ours.provenance)) == theirs.provenance
    assert json.loads(json.dumps(ours.diagnostics)) == theirs.diagnostics
    assert min(ours.provenance["frame_indices"]) >= FPS // 2


def test_local_answers_as_the_library_does(frames: np.ndarray) -> None:
    ours = videovisual.explain("tsm-motion", frames, method="ep_3d", iterations=3)
    with Local() as local:
        asked = {"model": "tsm-motion", "method": "ep_3d", "iterations": 3}
        explained = local.explain(frames, **asked)
    theirs = explained.saliency
    assert ours.summary == explained.explanations[0].summary
    assert str(ours.summary).startswith("tsm-motion says ")
    np.testing.assert_array_equal(ours.map, theirs.map)
    facts = json.loads(json.dumps(ours.provenance))
    # An array is sent as npz.
    assert facts | {"source": None} == theirs.provenance | {"source": None}


FEW = {
    "smooth_grad": {"samples": 2},
    "integrated_gradients": {"steps": 2},
    "occlusion": {"box": 32, "stride": 32, "box_frames": 8, "stride_frames": 8},
    "rise": {"masks": 4},
    "lime": {"samples": 10, "cells": 2, "frame_cells": 2},
    "frame_shapley": {"segments": 3},
    "ep_2d": {"iterations": 2},
    "ep_3d": {"iterations": 2},
    "step": {"iterations": 2},
}


def test_a_map_does_not_depend_on_what_was_explained_before(
    small: Classifier, frames: np.ndarray
) -> None:
    """Every method of our own, in two orders, each on a classifier without a history."""
    names = [
        entry.name
        for entry in catalogue.ENTRIES
        if entry.extra is None and "attention" not in entry.needs
    ]
    maps: list[dict[str, np.ndarray]] = []
    for order in (names, names[::-1]):
        fresh = Classifier(small.card, small.network, small.weights_sha256)
        maps.append(
            {
                name: videovisual.explain(fresh, frames, method=name, **FEW.get(name, {})).map
                for name in order
            }
        )
    for name in names:
        np.testing.assert_array_equal(maps[0][name], maps[1][name], err_msg=name)


def test_explain_refuses_frames_that_do_not_fit(small: Classifier, frames: np.ndarray) -> None:
    with pytest.raises(InvalidParameter, match="frames = 7 does not fit"):
        videovisual.explain(small, frames, frames=7)


def test_an_unknown_target_costs_no_pass(
    small: Classifier, frames: np.ndarray, passes: list[str]
) -> None:
    with pytest.raises(InvalidTarget):
        videovisual.explain(small, frames, target="juggling knives")
    assert passes == []


def test_an_unknown_layer_costs_no_pass(
    small: Classifier, frames: np.ndarray, passes: list[str]
) -> None:
    with pytest.raises(InvalidParameter, match="no layer 'layer9'"):
        videovisual.explain(small, frames, "grad_cam", layer="layer9")
    assert passes == []


def test_a_classifier_keeps_its_runner_until_its_weights_change(
    small: Classifier, frames: np.ndarray
) -> None:
    runner = runner_of(small)
    videovisual.explain(small, frames, method="ep_3d", iterations=1)
    assert runner_of(small) is runner
    before = videovisual.explain(small, frames, method="ep_3d", iterations=2).map
    weight = next(iter(small.network.parameters()))
    with torch.no_grad():
        weight.mul_(-1)
    try:
        assert runner_of(small) is not runner
        changed = videovisual.explain(small, frames, method="ep_3d", iterations=2).map
        assert not np.array_equal(before, changed)
    finally:
        with torch.no_grad():
            weight.mul_(-1)
    again = videovisual.explain(small, frames, method="ep_3d", iterations=2).map
    np.testing.assert_array_equal(before, again)


class LateExecutor(Executor):
    """Ends an explanation by its deadline after some steps."""

    def __init__(self, classifier: Classifier, steps: int) -> None:
        super().__init__(classifier)
        self._steps = steps

    def run(self, work: Work[Result], **options: object) -> Result:
        if "subject" not in options:
            return super().run(work)
        runner = runner_of(self._classifier)
        probe = next(work)
        for _ in range(self._steps):
            probe = work.send(runner.evaluate(probe))
        assert probe.progress is not None
        self.best = probe.progress.partial
        work.close()
        raise DeadlineExceeded("late")


@pytest.mark.parametrize(
    ("method", "parameters", "steps"),
    [
        ("ep_3d", {"iterations": 20}, 3),
        ("ep_3d", {"iterations": 20}, 20),
        ("rise", {"masks": 50}, 3),
    ],
)
def test_a_partial_map_has_the_provenance_of_a_whole_one(
    small: Classifier,
    frames: np.ndarray,
    method: str,
    parameters: dict[str, int],
    steps: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner_of(small), "precision", "bfloat16")
    asked = plan(small, method=method, partial=True, polarity="positive", **parameters)
    (partial,) = run_plan(asked, lambda: frames, LateExecutor(small, steps)).saliencies
    (whole,) = run_plan(asked, lambda: frames, Executor(small)).saliencies
    assert partial.diagnostics["partial"] is True
    assert partial.provenance == whole.provenance
    assert whole.provenance["precision"] == ("bfloat16" if method == "ep_3d" else "float32")


def test_a_deadline_in_the_evaluation_keeps_the_map(
    small: Classifier, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object) -> Work[None]:
        raise DeadlineExceeded("late")
        yield

    monkeypatch.setattr("videovisual.faithfulness.evaluate", late)
    asked = plan(small, method="gradient", evaluate=True, partial=True)
    (explanation,) = run_plan(asked, lambda: frames, Executor(small)).answer.explanations
    assert explanation.faithfulness is None
    assert explanation.diagnostics["evaluated"] is False
    with pytest.raises(DeadlineExceeded):
        run_plan(plan(small, method="gradient", evaluate=True), lambda: frames, Executor(small))


def test_without_partial_the_deadline_is_an_error(small: Classifier, frames: np.ndarray) -> None:
    asked = plan(small, method="ep_3d", iterations=20)
    with pytest.raises(DeadlineExceeded):
        run_plan(asked, lambda: frames, LateExecutor(small, steps=3))
