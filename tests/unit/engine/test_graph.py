"""Passes by recordings give what the passes give; where there is a GPU, by its graphs too."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest
import torch

from videovisual.attribution import catalogue
from videovisual.attribution.method import Case
from videovisual.engine.device import Lane
from videovisual.engine.engine import Engine, run
from videovisual.engine.graph import CudaCapture, Outputs, Recorder
from videovisual.engine.oracle import Oracle
from videovisual.engine.probe import Objective, Probe, Reading, Work
from videovisual.zoo import Classifier


class Capture:
    """A processor's stand-in for a graph: does the work again, on the memory that it had."""

    def __init__(self) -> None:
        self.recorded = 0

    def __call__(self, work: Callable[[], Outputs]) -> tuple[Callable[[], object], Outputs]:
        self.recorded += 1
        outputs = work()

        def replay() -> None:
            for old, new in zip(outputs, work(), strict=True):
                old.copy_(new)

        return replay, outputs


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
    found = [recorder.run("key", doubled, *each) for each in given]
    for (clips, targets), outputs in zip(given, found, strict=True):
        for output, expected in zip(outputs, doubled(clips, targets), strict=True):
            torch.testing.assert_close(output, expected, rtol=0, atol=0)


def test_there_is_one_recording_a_key_and_power_of_two(capture: Capture) -> None:
    recorder = Recorder(capture)
    for count in (1, 1, 2, 3, 4, 3):
        recorder.run("key", doubled, *values(count))
    assert capture.recorded == 3
    recorder.run("other", doubled, *values(4))
    assert capture.recorded == 4
    recorder.clear()
    recorder.run("other", doubled, *values(4))
    assert capture.recorded == 5


def test_what_cant_be_recorded_is_run_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    def refuse(_work: Callable[[], Outputs]) -> tuple[Callable[[], object], Outputs]:
        raise RuntimeError("operation not permitted when stream is capturing")

    recorder = Recorder(refuse)
    clips, targets = values(3)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            output, _ = recorder.run("key", doubled, clips, targets)
            torch.testing.assert_close(output, 2 * clips)
    assert len(caplog.records) == 1
    assert "not permitted" in caplog.text


def test_a_device_without_room_for_a_recording_says_so() -> None:
    def full(_work: Callable[[], Outputs]) -> tuple[Callable[[], object], Outputs]:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        Recorder(full).run("key", doubled, *values(2))


@pytest.mark.parametrize("objective", list(Objective))
def test_recorded_gradients_are_the_networks(
    small: Classifier, capture: Capture, objective: Objective
) -> None:
    clips, targets = torch.randn(3, 3, 8, 64, 64), torch.tensor([0, 3, 1])
    probe = Probe(clips, targets, objective, gradient=True, quick=True)
    plain = Oracle(small.network, "cpu", batch=3).evaluate(probe)
    recorded = Oracle(small.network, "cpu", batch=3, recorder=Recorder(capture)).evaluate(probe)
    assert capture.recorded == 1
    assert plain.gradient is not None
    assert recorded.gradient is not None
    torch.testing.assert_close(recorded.logits, plain.logits, rtol=1e-4, atol=1e-4)
    off = (recorded.gradient - plain.gradient).norm() / plain.gradient.norm()
    assert off < 1e-2


def test_a_whole_search_goes_by_recordings(small: Classifier, capture: Capture) -> None:
    entry = catalogue.find("ep_3d")
    case = Case(torch.randn(3, 8, 64, 64), 1, small.card)
    given = entry.parse({"iterations": 5})
    plain = run(Oracle(small.network, "cpu"), entry.load()(case, given))
    recorder = Recorder(capture)
    recorded = run(Oracle(small.network, "cpu", recorder=recorder), entry.load()(case, given))
    assert capture.recorded == 1
    torch.testing.assert_close(recorded.map, plain.map, rtol=0, atol=0)


def test_a_full_device_forgets_its_recordings(small: Classifier, capture: Capture) -> None:
    def up_to_one(work: Callable[[], Outputs]) -> tuple[Callable[[], object], Outputs]:
        replay, outputs = capture(work)
        if len(outputs[0]) > 1:
            raise torch.OutOfMemoryError
        return replay, outputs

    oracle = Oracle(small.network, "cpu", batch=2, recorder=Recorder(up_to_one))

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


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpus_graph_gives_what_the_pass_gives(small: Classifier) -> None:
    device = torch.device("cuda")
    probe = Probe(torch.randn(3, 3, 8, 64, 64), torch.tensor([0, 3, 1]), gradient=True, quick=True)
    network = small.network
    try:
        plain = Oracle(network, device, batch=3).evaluate(probe)
        recorder = Recorder(CudaCapture(device))
        oracle = Oracle(network, device, batch=3, recorder=recorder)
        oracle.evaluate(probe)
        recorded = oracle.evaluate(probe)
    finally:
        network.cpu()
    assert plain.gradient is not None
    assert recorded.gradient is not None
    off = (recorded.gradient - plain.gradient).norm() / plain.gradient.norm()
    assert off < 1e-2
