"""Passes by recordings give what the passes give; where there is a GPU, by its graphs too."""

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
from videovisual.engine import model_runner as oracles
from videovisual.engine.batch import Kind
from videovisual.engine.device import Lane
from videovisual.engine.engine import Engine, run
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.optimise.cuda_graphs import CudaCapture, Outputs, Recorder, roomy
from videovisual.engine.probe import Objective, Probe, Reading, Work
from videovisual.zoo import Classifier


def doubled(clips: torch.Tensor, targets: torch.Tensor) -> Outputs:
    return 2 * clips, clips + targets.view(-1, 1)


def values(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(count, 5), torch.arange(count)


@pytest.fixture
def capture() -> Capture:
    return Capture()


def test_results_are_the_works_and_stay_so(capture: Capture) -> None:
    recorder = Recorder(capture)
    given = [values(count) for count in (1, 2, 3, 4, 5, 3)]
    for run_by in (recorder.run, recorder.run_filled):
        found = [run_by("key", doubled, *each) for each in given]
        for (clips, targets), outputs in zip(given, found, strict=True):
            for output, expected in zip(outputs, doubled(clips, targets), strict=True):
                torch.testing.assert_close(output, expected, rtol=0, atol=0)


def test_there_is_one_recording_a_key_and_shape(capture: Capture) -> None:
    recorder = Recorder(capture)
    for count in (1, 1, 2, 3, 4, 3):
        recorder.run("key", doubled, *values(count))
    assert capture.recorded == 4
    recorder.run("other", doubled, *values(4))
    assert capture.recorded == 5
    recorder.clear()
    recorder.run("other", doubled, *values(4))
    assert capture.recorded == 6


def test_what_was_recorded_keeps_what_it_reads() -> None:
    """A graph reads memory, whoever that belongs to by now."""

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


def test_what_is_filled_up_shares_recordings(capture: Capture) -> None:
    recorder = Recorder(capture)
    for count in range(1, 17):
        recorder.run_filled("key", doubled, *values(count))
    assert capture.recorded == len({1, 2, 3, 4, 6, 8, 12, 16})


@pytest.mark.parametrize(
    ("count", "size"), [(1, 1), (2, 2), (3, 3), (5, 6), (7, 8), (9, 12), (13, 16), (17, 24)]
)
def test_a_recording_is_at_most_half_as_large_again(count: int, size: int) -> None:
    assert roomy(count) == size
    assert all(each <= roomy(each) < 1.5 * each for each in range(1, 200))


def test_what_cant_be_recorded_is_run_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_work: Callable[[], Outputs]) -> tuple[Callable[[], object], Outputs]:
        raise RuntimeError("operation not permitted when stream is capturing")

    recorder = Recorder(refuse)
    clips, targets = values(3)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            output, _ = recorder.run_filled("key", doubled, clips, targets)
            torch.testing.assert_close(output, 2 * clips)
    assert len(caplog.records) == 1
    assert "not permitted" in caplog.text


def test_only_those_that_were_used_last_are_kept(capture: Capture) -> None:
    recorder = Recorder(capture, most=2)
    for key in ("a", "b", "a", "c", "a"):
        recorder.run(key, doubled, *values(1))
    assert capture.recorded == 3
    recorder.run("b", doubled, *values(1))
    assert capture.recorded == 4


def test_where_there_is_no_room_for_a_recording_others_go_and_it_is_done_without(
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
def test_recorded_gradients_are_the_networks(
    small: Classifier, capture: Capture, objective: Objective
) -> None:
    clips, targets = torch.randn(3, 3, 8, 64, 64), torch.tensor([0, 3, 1])
    probe = Probe(clips, targets, objective, gradient=True, quick=True)
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
def test_a_whole_search_goes_by_recordings(
    small: Classifier, capture: Capture, method: str, variant: str
) -> None:
    entry = catalogue.find(method)
    recorder = Recorder(capture)
    given = entry.parse({"iterations": 14, "variant": variant, "area": [0.1, 0.3]})
    for clip in torch.randn(2, 3, 8, 64, 64):
        case = Case(clip, 1, small.card)
        plain = run(ModelRunner(small.network, "cpu", batch=2), entry.load()(case, given))
        oracle = ModelRunner(small.network, "cpu", batch=2, recorder=recorder)
        case = dataclasses.replace(case, recorder=recorder)
        recorded = run(oracle, entry.load()(case, given))
        torch.testing.assert_close(recorded.map, plain.map, rtol=0, atol=1e-5)
        assert recorded.diagnostics["course"] == pytest.approx(plain.diagnostics["course"])
    # There and back, and once more when STEP's core term begins to weigh; a pass for each side.
    assert capture.recorded == (4 if method == "step" else 2) + (2 if variant == "dual" else 1)


def test_a_full_device_forgets_its_recordings(
    small: Classifier, capture: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    differentiated = oracles._differentiated

    def up_to_one(*given: Any) -> Outputs:
        if len(given[-1]) > 1:
            raise torch.OutOfMemoryError
        return differentiated(*given)

    monkeypatch.setattr(oracles, "_differentiated", up_to_one)
    oracle = ModelRunner(small.network, "cpu", batch=2, recorder=Recorder(capture))

    def gradients(count: int) -> Work[Reading]:
        clips = torch.randn(count, 3, 8, 64, 64)
        targets = torch.zeros(count, dtype=torch.int64)
        reading = yield Probe(clips, targets, gradient=True, quick=True)
        return reading

    with Engine(oracle, [Lane()]) as engine:
        for count in (1, 2):
            reading = engine.submit(gradients(count)).result(30)
            assert reading.gradient is not None
            assert len(reading.gradient) == count
    # One clip, two in vain, and one anew.
    assert capture.recorded == 3


def test_what_recording_takes_is_not_the_price_of_a_pass(
    small: Classifier, capture: Capture
) -> None:
    def gradient() -> Work[Reading]:
        clips, targets = torch.randn(1, 3, 8, 64, 64), torch.tensor([0])
        return (yield Probe(clips, targets, gradient=True, quick=True))

    with Engine(ModelRunner(small.network, "cpu", recorder=Recorder(capture)), [Lane()]) as engine:
        kind = Kind((3, 8, 64, 64), torch.float32, gradient=True, quick=True)
        engine.submit(gradient()).result(30)
        assert engine.devices[0].budget.seconds(kind) is None
        engine.submit(gradient()).result(30)
        assert engine.devices[0].budget.seconds(kind) is not None


@pytest.fixture
def gpu(small: Classifier) -> Iterator[torch.device]:
    """A GPU, from which the small network comes back."""
    if not torch.cuda.is_available():
        pytest.skip("needs a GPU")
    yield torch.device("cuda")
    small.to("cpu")


def test_a_gpus_graph_gives_what_the_pass_gives(small: Classifier, gpu: torch.device) -> None:
    probe = Probe(torch.randn(3, 3, 8, 64, 64), torch.tensor([0, 3, 1]), gradient=True, quick=True)
    plain = ModelRunner(small.network, gpu, batch=3).evaluate(probe)
    recorder = Recorder(CudaCapture(gpu))
    oracle = ModelRunner(small.network, gpu, batch=3, recorder=recorder)
    for _ in range(2):
        recorded = oracle.evaluate(probe)
        assert plain.gradient is not None
        assert recorded.gradient is not None
        assert torch.equal(recorded.gradient, plain.gradient)
        recorder.clear()


@pytest.mark.parametrize("method", ["ep_3d", "step"])
def test_a_gpu_searches_the_same_again_by_graphs_or_without(
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


def test_a_gpus_float32_is_a_processors(small: Classifier, gpu: torch.device) -> None:
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
