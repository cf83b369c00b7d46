"""Recorded passes equal plain passes; on a GPU, passes by CUDA graphs do too."""

from __future__ import annotations

import dataclasses
import logging
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tests.captures import Capture

from videovisual.attribution import catalogue
from videovisual.attribution.method import Case
from videovisual.engine import model_runner
from videovisual.engine.batch import Kind
from videovisual.engine.engine import Engine, run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.optimise.cuda_graphs import CudaCapture, Outputs, Recorder, padded_size
from videovisual.engine.probe import Objective, Probe, Reading, Work
from videovisual.engine.worker import Worker
from videovisual.zoo import Classifier


def doubled(clips: torch.Tensor, targets: torch.Tensor) -> Outputs:
    return 2 * clips, clips + targets.view(-1, 1)


def values(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(count, 5), torch.arange(count)


@pytest.fixture
def capture() -> Capture:
    return Capture()


def test_replayed_results_are_right_and_are_not_overwritten(capture: Capture) -> None:
    recorder = Recorder(capture)
    given = [values(count) for count in (1, 2, 3, 4, 5, 3)]
    for run_by in (recorder.run, recorder.run_padded):
        found = [run_by("key", doubled, *each) for each in given]
        for (clips, targets), outputs in zip(given, found, strict=True):
            for output, expected in zip(outputs, doubled(clips, targets), strict=True):
                torch.testing.assert_close(output, expected, rtol=0, atol=0)


def test_there_is_one_recording_for_each_key_and_shape(capture: Capture) -> None:
    recorder = Recorder(capture)
    for count in (1, 1, 2, 3, 4, 3):
        recorder.run("key", doubled, *values(count))
    assert capture.recorded == 4
    recorder.run("other", doubled, *values(4))
    assert capture.recorded == 5
    recorder.clear()
    recorder.run("other", doubled, *values(4))
    assert capture.recorded == 6


def test_a_recording_keeps_the_tensors_it_reads() -> None:
    """A graph reads from fixed memory, even if another tensor owns it by then."""

    def once(work: Callable[[], Outputs]) -> tuple[Callable[[], object], Outputs]:
        return lambda: None, work()

    offset = torch.ones(5)
    kept = weakref.ref(offset)
    recorder = Recorder(once)
    recorder.run("key", lambda clips, offset=offset: (clips + offset,), torch.zeros(2, 5))
    del offset
    assert kept() is not None
    recorder.clear()
    assert kept() is None


def test_padded_inputs_share_recordings(capture: Capture) -> None:
    recorder = Recorder(capture)
    for count in range(1, 17):
        recorder.run_padded("key", doubled, *values(count))
    assert capture.recorded == len({1, 2, 3, 4, 6, 8, 12, 16})


@pytest.mark.parametrize(
    ("count", "size"), [(1, 1), (2, 2), (3, 3), (5, 6), (7, 8), (9, 12), (13, 16), (17, 24)]
)
def test_padding_adds_less_than_a_half(count: int, size: int) -> None:
    assert padded_size(count) == size
    assert all(each <= padded_size(each) < 1.5 * each for each in range(1, 200))


def test_work_that_cannot_be_recorded_runs_and_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(_work: Callable[[], Outputs]) -> tuple[Callable[[], object], Outputs]:
        raise RuntimeError("operation not permitted when stream is capturing")

    recorder = Recorder(refuse)
    clips, targets = values(3)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            output, _ = recorder.run_padded("key", doubled, clips, targets)
            torch.testing.assert_close(output, 2 * clips)
    assert len(caplog.records) == 1
    assert "not permitted" in caplog.text


def test_the_most_recently_used_recordings_are_kept(capture: Capture) -> None:
    recorder = Recorder(capture, most=2)
    for key in ("a", "b", "a", "c", "a"):
        recorder.run(key, doubled, *values(1))
    assert capture.recorded == 3
    recorder.run("b", doubled, *values(1))
    assert capture.recorded == 4


def test_without_memory_for_a_recording_others_are_dropped_and_work_runs_plainly(
    capture: Capture,
) -> None:
    def up_to_two(work: Callable[[], Outputs]) -> tuple[Callable[[], object], Outputs]:
        replay, outputs = capture(work)
        if len(outputs[0]) > 2:
            raise torch.OutOfMemoryError
        return replay, outputs

    recorder = Recorder(up_to_two)
    recorder.run("key", doubled, *values(2))
    for _ in range(2):
        clips, targets = values(3)
        output, _ = recorder.run("key", doubled, clips, targets)
        torch.testing.assert_close(output, 2 * clips)
    assert capture.recorded == 2
    recorder.run("key", doubled, *values(2))
    assert capture.recorded == 3


@pytest.mark.parametrize("objective", list(Objective))
def test_recorded_gradients_equal_the_networks(
    small: Classifier, capture: Capture, objective: Objective
) -> None:
    clips, targets = torch.randn(3, 3, 8, 64, 64), torch.tensor([0, 3, 1])
    probe = Probe(clips, targets, objective, gradient=True, folded=True)
    plain = ModelRunner(small.network, "cpu", batch=3).evaluate(probe)
    recorded = ModelRunner(small.network, "cpu", batch=3, recorder=Recorder(capture)).evaluate(
        probe
    )
    assert capture.recorded == 1
    assert plain.gradient is not None
    assert recorded.gradient is not None
    torch.testing.assert_close(recorded.logits, plain.logits, rtol=1e-4, atol=1e-4)
    off = (recorded.gradient - plain.gradient).norm() / plain.gradient.norm()
    assert off < 1e-2


@pytest.mark.parametrize("variant", ["preserve", "dual"])
@pytest.mark.parametrize("method", ["ep_2d", "ep_3d", "step"])
def test_a_descent_runs_entirely_by_recordings(
    small: Classifier, capture: Capture, method: str, variant: str
) -> None:
    entry = catalogue.find(method)
    recorder = Recorder(capture)
    given = entry.parse(
        {"preset": "quick", "iterations": 14, "variant": variant, "area": [0.1, 0.3]}
    )
    for clip in torch.randn(2, 3, 8, 64, 64):
        case = Case(clip, 1, small.card)
        plain = run(ModelRunner(small.network, "cpu", batch=2), entry.load()(case, given))
        runner = ModelRunner(small.network, "cpu", batch=2, recorder=recorder)
        case = dataclasses.replace(case, recorder=recorder)
        recorded = run(runner, entry.load()(case, given))
        torch.testing.assert_close(recorded.map, plain.map, rtol=0, atol=1e-5)
        assert recorded.diagnostics["course"] == pytest.approx(plain.diagnostics["course"])
    # The mask step forward and backward, and a pass for each game.
    assert capture.recorded == 2 + (2 if variant == "dual" else 1)


def test_recordings_are_dropped_when_memory_runs_out(
    small: Classifier, capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    differentiated = model_runner._gradient

    def up_to_one(*given: Any) -> Outputs:
        if len(given[-1]) > 1:
            raise torch.OutOfMemoryError
        return differentiated(*given)

    monkeypatch.setattr(model_runner, "_gradient", up_to_one)
    runner = ModelRunner(small.network, "cpu", batch=2, recorder=Recorder(capture))

    def gradients(count: int) -> Work[Reading]:
        clips = torch.randn(count, 3, 8, 64, 64)
        targets = torch.zeros(count, dtype=torch.int64)
        reading = yield Probe(clips, targets, gradient=True, folded=True)
        return reading

    with Engine(runner, [Worker()]) as engine:
        for count in (1, 2):
            reading = engine.submit(gradients(count)).result(30)
            assert reading.gradient is not None
            assert len(reading.gradient) == count
    # One clip, two clips in vain, and one clip again.
    assert capture.recorded == 3


def test_the_time_of_recording_does_not_count_as_a_pass(
    small: Classifier, capture: Capture
) -> None:
    def gradient() -> Work[Reading]:
        clips, targets = torch.randn(1, 3, 8, 64, 64), torch.tensor([0])
        return (yield Probe(clips, targets, gradient=True, folded=True))

    with Engine(
        ModelRunner(small.network, "cpu", recorder=Recorder(capture)), [Worker()]
    ) as engine:
        kind = Kind((3, 8, 64, 64), torch.float32, gradient=True, folded=True)
        engine.submit(gradient()).result(30)
        assert engine.devices[0].budget.seconds(kind) is None
        engine.submit(gradient()).result(30)
        assert engine.devices[0].budget.seconds(kind) is not None


@pytest.fixture
def gpu(small: Classifier) -> Iterator[torch.device]:
    """A GPU; afterwards the small network is moved back to the processor."""
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    yield torch.device("cuda")
    small.to("cpu")


def test_a_cuda_graph_equals_the_plain_pass(small: Classifier, gpu: torch.device) -> None:
    probe = Probe(torch.randn(3, 3, 8, 64, 64), torch.tensor([0, 3, 1]), gradient=True, folded=True)
    plain = ModelRunner(small.network, gpu, batch=3).evaluate(probe)
    recorder = Recorder(CudaCapture(gpu))
    runner = ModelRunner(small.network, gpu, batch=3, recorder=recorder)
    for _ in range(2):
        recorded = runner.evaluate(probe)
        assert plain.gradient is not None
        assert recorded.gradient is not None
        assert torch.equal(recorded.gradient, plain.gradient)
        recorder.clear()


@pytest.mark.parametrize("method", ["ep_3d", "step"])
def test_searches_on_a_gpu_are_deterministic_with_graphs_and_without(
    small: Classifier, gpu: torch.device, method: str
) -> None:
    entry = catalogue.find(method)
    work = entry.load()
    given = entry.parse({"iterations": 20})
    case = Case(torch.randn(3, 8, 64, 64).to(gpu), 1, small.card)
    recorder = Recorder(CudaCapture(gpu))
    plain = ModelRunner(small.network, gpu)
    graphs = ModelRunner(small.network, gpu, recorder=recorder)
    maps = [run(plain, work(case, given)).map for _ in range(2)]
    case = dataclasses.replace(case, recorder=recorder)
    maps += [run(graphs, work(case, given)).map for _ in range(2)]
    for other in maps[1:]:
        np.testing.assert_array_equal(maps[0], other)


def test_float32_on_a_gpu_equals_float32_on_a_processor(
    small: Classifier, gpu: torch.device
) -> None:
    clips, targets = torch.randn(2, 3, 8, 64, 64), torch.tensor([0, 3])
    probe = Probe(clips, targets, gradient=True)
    there = ModelRunner(small.network, gpu, batch=2).evaluate(probe)
    small.to("cpu")
    here = ModelRunner(small.network, "cpu", batch=2).evaluate(probe)
    torch.testing.assert_close(there.logits.cpu(), here.logits, rtol=1e-5, atol=1e-5)
    assert there.gradient is not None
    assert here.gradient is not None
    off = (there.gradient.cpu() - here.gradient).norm() / here.gradient.norm()
    assert off < 1e-4
