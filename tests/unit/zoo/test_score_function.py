"""`Classifier.from_scores`: a function of clips, known by its scores alone."""

from __future__ import annotations

import copy
import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from videovisual import Classifier, InputSpec, classify, explain, faithfulness
from videovisual.attribution.catalogue import ENTRIES
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Probe
from videovisual.errors import InvalidParameter, ScoresError, WeightsError
from videovisual.pipeline.plan import Plan
from videovisual.protocol import split_options
from videovisual.server.request import Request
from videovisual.server.service import Service

Array = npt.NDArray[np.float32]

SPEC = InputSpec(frames=4, size=(6, 8))
LABELS = ["red", "green", "blue"]
BY_SCORES = [entry.name for entry in ENTRIES if entry.needs == "scores"]
QUICK: dict[str, dict[str, Any]] = {"rise": {"masks": 8}, "lime": {"samples": 12}}


def colours(clips: Array) -> Array:
    """The mean of each colour as a logit."""
    return 5 * clips.mean(axis=(2, 3, 4))


def chances(clips: Array) -> Array:
    exponents = np.exp(colours(clips))
    shares: Array = exponents / exponents.sum(axis=1, keepdims=True)
    return shares


def frames(seed: int = 0) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 255, (4, 6, 8, 3), np.uint8)


@pytest.fixture
def model() -> Classifier:
    return Classifier.from_scores(colours, LABELS, SPEC)


def test_it_classifies_as_the_function_says(model: Classifier) -> None:
    answer = classify(model, frames())
    # Nobody can tell whether the function is the same as before.
    assert answer.classifier_sha256 is None
    prepared = model.prepare(frames()).numpy()
    expected = colours(prepared[None])[0]
    for found in answer.predictions:
        assert found.logit == pytest.approx(expected[found.index], rel=1e-5)
        assert found.probability == pytest.approx(chances(prepared[None])[0][found.index], rel=1e-5)
    assert model.card.name == "colours"
    assert not model.differentiable


@pytest.mark.parametrize("method", BY_SCORES)
def test_methods_that_need_scores_alone_explain_it(model: Classifier, method: str) -> None:
    found = explain(model, frames(), method, "red", **QUICK.get(method, {}))
    assert found.map.shape == (4, 6, 8)
    assert found.map.std() > 0
    assert found.provenance["weights_sha256"] == "not known: a function"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_all_other_methods_are_refused_before_anything_is_computed(
    model: Classifier, entry: Any
) -> None:
    if entry.needs == "scores":
        Plan.of(model, *split_options({"method": entry.name}))
        return
    with pytest.raises(InvalidParameter, match=r"known by its scores alone: ask for") as caught:
        Plan.of(model, *split_options({"method": entry.name}))
    assert caught.value.message.startswith(f"{entry.name} needs ")
    assert caught.value.detail["allowed"] == BY_SCORES


def test_it_has_no_archive(model: Classifier, tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter, match=r"known by its scores alone.*no network to archive"):
        model.archive("mine", store=tmp_path)
    assert not list(tmp_path.iterdir())


def test_it_is_served(model: Classifier) -> None:
    service = Service(model)
    try:
        for method, status in (("frame_shapley", 200), ("step", 422)):
            body = {"video": _npz(), "method": method.encode()}
            state = service.submit(Request(body))
            while state.reply is None:
                service.wait(0.01)
            assert state.reply.status == status
    finally:
        service.close()


def test_the_engine_asks_it_for_scores_only(model: Classifier) -> None:
    runner = ModelRunner(model.network, "cpu")
    clip = model.prepare(frames())
    runner.prepare(clip)
    with pytest.raises(InvalidParameter, match="scores alone"):
        runner.evaluate(Probe(clip[None], torch.tensor([0]), gradient=True, folded=True))


@pytest.mark.parametrize(("layout", "axis"), [("NCTHW", 1), ("NTCHW", 2), ("NTHWC", 4)])
def test_the_function_gets_the_layout_that_it_takes(layout: Any, axis: int) -> None:
    def by_axis(clips: Array) -> Array:
        assert clips.dtype == np.float32
        assert clips.flags.c_contiguous
        rest = tuple(place for place in range(1, 5) if place != axis)
        return clips.mean(axis=rest)

    model = Classifier.from_scores(by_axis, LABELS, SPEC, layout=layout)
    clip = torch.rand(3, 4, 6, 8)
    expected = clip.mean(dim=(1, 2, 3))
    torch.testing.assert_close(model.logits(clip[None])[0], expected)


@pytest.mark.parametrize("convert", [np.asarray, torch.as_tensor, lambda scores: scores.tolist()])
def test_scores_may_be_an_array_a_tensor_or_lists(convert: Callable[[Array], Any]) -> None:
    model = Classifier.from_scores(lambda clips: convert(colours(clips)), LABELS, SPEC)
    clip = torch.rand(3, 4, 6, 8)
    np.testing.assert_allclose(model.logits(clip[None]), colours(clip[None].numpy()), rtol=1e-6)
    assert model.card.name == "scores"


def test_the_clip_stays_as_it_is_whatever_the_function_does_to_its_own() -> None:
    def spoil(clips: Array) -> Array:
        found = colours(clips)
        clips[:] = 0
        return found

    model = Classifier.from_scores(spoil, LABELS, SPEC)
    clip = torch.rand(3, 4, 6, 8)
    before = clip.clone()
    model.logits(clip[None])
    assert torch.equal(clip, before)


def test_logarithms_of_probabilities_are_logits() -> None:
    model = Classifier.from_scores(chances, LABELS, SPEC, probabilities=True)
    clip = torch.rand(1, 3, 4, 6, 8)
    logits = model.logits(clip)
    torch.testing.assert_close(logits.softmax(dim=1), torch.from_numpy(chances(clip.numpy())))
    torch.testing.assert_close(logits, torch.from_numpy(chances(clip.numpy())).log())


def test_logarithms_of_odds_are_the_logits_of_labels() -> None:
    def labels(clips: Array) -> Array:
        return 1 / (1 + np.exp(-colours(clips)))

    model = Classifier.from_scores(labels, LABELS, SPEC, scores="sigmoid", probabilities=True)
    clip = torch.rand(1, 3, 4, 6, 8)
    expected = torch.from_numpy(colours(clip.numpy()))
    torch.testing.assert_close(model.logits(clip), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("labels", [["cut"], ["none", "cut"]])
def test_one_probability_is_one_labels_or_that_of_the_second(labels: list[str]) -> None:
    scores: Any = "sigmoid" if len(labels) == 1 else "softmax"
    model = Classifier.from_scores(
        lambda clips: chances(clips)[:, :1], labels, SPEC, scores=scores, probabilities=True
    )
    clip = frames()
    expected = chances(model.prepare(clip).numpy()[None])[0, 0]
    (found,) = [each for each in classify(model, clip).predictions if each.label == "cut"]
    assert found.probability == pytest.approx(expected, rel=1e-4)


def test_a_probability_of_zero_is_a_finite_logit() -> None:
    def sure(clips: Array) -> Array:
        return np.tile(np.array([1, 0, 0], np.float32), (len(clips), 1))

    for scores in ("softmax", "sigmoid"):
        kind: Any = scores
        model = Classifier.from_scores(sure, LABELS, SPEC, scores=kind, probabilities=True)
        logits = model.logits(torch.rand(1, 3, 4, 6, 8))
        assert logits.isfinite().all()
        assert logits[0, 0] - logits[0, 1] > 15


@pytest.mark.parametrize(
    ("function", "given", "message"),
    [
        (chances, {}, "gives probabilities, which sum to 1.*probabilities=True"),
        (colours, {"probabilities": True}, "no probabilities. Leave `probabilities` out"),
        (chances, {"probabilities": True, "scores": "raw"}, "Raw scores are no probabilities"),
        (lambda clips: colours(clips)[:, :2], {}, r"logits of shape \[1, 2\] for 3 labels"),
        (lambda clips: {"a": colours(clips), "b": 1}, {"output": "c"}, "Change `output`"),
        (lambda clips: "red", {}, "Change `output`"),
        (lambda clips: colours(clips) / len(clips), {}, "treat each by itself"),
        (colours, {"layout": "TCHW"}, "There is no layout 'TCHW'"),
        ("colours", {}, "no str"),
        (torch.nn.Identity(), {}, "from_module"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_change(
    function: Any, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidParameter, match=message):
        Classifier.from_scores(function, LABELS, SPEC, **given)


def test_labels_are_checked() -> None:
    with pytest.raises(WeightsError, match="2 classes are called 'red'"):
        Classifier.from_scores(colours, ["red", "red", "blue"], SPEC)


def test_an_output_is_found_by_its_name_and_frames_are_averaged() -> None:
    def by_frame(clips: Array) -> dict[str, Array]:
        return {"scores": np.moveaxis(clips.mean(axis=(3, 4)), 1, 2), "other": clips}

    model = Classifier.from_scores(by_frame, LABELS, SPEC, output="scores", frame_scores="mean")
    clip = torch.rand(1, 3, 4, 6, 8)
    torch.testing.assert_close(model.logits(clip), clip.mean(dim=(2, 3, 4)))


def test_an_error_of_the_function_is_one_of_the_tree() -> None:
    calls = []

    def breaks(clips: Array) -> Array:
        calls.append(len(clips))
        if len(calls) > 3:
            raise OSError("the line is dead\nand more")
        return colours(clips)

    model = Classifier.from_scores(breaks, LABELS, SPEC)
    message = r"was given float32 \[1, 3, 4, 6, 8\], and failed: OSError: the line is dead\.$"
    with pytest.raises(ScoresError, match=message) as caught:
        explain(model, frames(), "occlusion", "red")
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.status == 502
    with pytest.raises(ScoresError, match="the line is dead"):
        Classifier.from_scores(breaks, LABELS, SPEC)


def test_one_thread_at_a_time_calls_the_function() -> None:
    inside = []
    most = []
    lock = threading.Lock()

    def watched(clips: Array) -> Array:
        with lock:
            inside.append(1)
            most.append(len(inside))
        time.sleep(0.001)
        with lock:
            inside.pop()
        return colours(clips)

    model = Classifier.from_scores(watched, LABELS, SPEC)
    models = [model, model, copy.deepcopy(model)]
    alone = explain(model, frames(), "occlusion", "red").map
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda each: explain(each, frames(), "occlusion", "red").map, models))
    assert max(most) == 1
    assert all(np.array_equal(each, alone) for each in found)


def test_it_has_no_weights_to_randomise(model: Classifier) -> None:
    with pytest.raises(InvalidParameter, match="no weights to randomise"):
        faithfulness.randomised(model)


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, frames=frames())
    return buffer.getvalue()
