"""Devices: batches, pieces, memory, workers."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator
from functools import partial

import pytest
import torch
from torch import nn

from videovisual.engine import device
from videovisual.engine.device import Pass
from videovisual.engine.engine import Engine, run
from videovisual.engine.job import Job
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Probe, Reading, Work
from videovisual.engine.worker import Worker
from videovisual.errors import TooLarge, VideoVisualError
from videovisual.zoo import Classifier

TIMEOUT_S = 60
WORKERS = (
    Worker(explanations=False),
    Worker(classifications=False, threads=1),
    Worker(classifications=False, threads=1),
)


class Narrow(nn.Module):
    """A network that runs out of memory above a number of clips."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = [most]
        self.sizes: list[int] = []
        self.weight = nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4))

    def forward(self, clips: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(clips))
        if len(clips) > self.most[0]:
            raise torch.OutOfMemoryError(f"{len(clips)} clips")
        return torch.tanh(clips.mean(dim=(2, 3, 4))) @ self.weight


def readings(clips: torch.Tensor, count: int) -> Generator[Probe, Reading, list[Reading]]:
    """Yield `count` probes for gradients at different clips."""
    found = []
    targets = torch.zeros(len(clips), dtype=torch.long)
    for step in range(count):
        found.append((yield Probe(clips + step, targets, gradient=True)))
    return found


def assert_same(one: list[Reading], other: list[Reading], tolerance: float = 0.0) -> None:
    for mine, yours in zip(one, other, strict=True):
        torch.testing.assert_close(mine.logits, yours.logits, rtol=tolerance, atol=tolerance)
        torch.testing.assert_close(mine.gradient, yours.gradient, rtol=tolerance, atol=tolerance)


def test_out_of_memory_halves_the_batch() -> None:
    network = Narrow(most=3)
    clips = torch.randn(16, 3, 2, 4, 4)
    with Engine(ModelRunner(network, "cpu", batch=16)) as engine:
        found = engine.submit(readings(clips, 1)).result(TIMEOUT_S)
    assert network.sizes[:3] == [16, 8, 4]
    assert set(network.sizes[3:]) == {2}
    assert_same(found, run(ModelRunner(Narrow(16), "cpu", batch=16), readings(clips, 1)), 1e-6)


def test_a_clip_that_does_not_fit_alone_is_refused() -> None:
    clip = torch.randn(1, 3, 2, 4, 4)
    network = Narrow(most=0)
    with Engine(ModelRunner(network, "cpu")) as engine:
        with pytest.raises(TooLarge, match="does not fit into the memory of cpu"):
            engine.submit(readings(clip, 1)).result(TIMEOUT_S)
        network.most[0] = 1
        assert len(engine.submit(readings(clip, 1)).result(TIMEOUT_S)) == 1


def crowd(clips: torch.Tensor) -> list[Work[list[Reading]]]:
    return [readings(clips[number % 3][None] * number, 2) for number in range(6)]


def held(engine: Engine, works: list[Work[list[Reading]]]) -> list[Job[list[Reading]]]:
    """The jobs of all works, of which none starts before all are queued."""
    gate = threading.Event()

    def wait() -> Work[None]:
        gate.wait(TIMEOUT_S)
        return
        yield

    engine.submit(wait(), classification=True)
    jobs = [engine.submit(work) for work in works]
    gate.set()
    return jobs


def test_a_shared_pass_does_not_change_a_reading(small: Classifier) -> None:
    clips = torch.randn(3, 3, 8, 32, 32)
    passes: list[Pass] = []
    runner = ModelRunner(small.network, "cpu", batch=8)
    with Engine(runner, step_s=1000, on_pass=passes.append) as engine:
        together = [job.result(TIMEOUT_S) for job in held(engine, crowd(clips))]
    assert 6 in {each.clips for each in passes if each.kind == "gradient"}
    for found, work in zip(together, crowd(clips), strict=True):
        assert_same(found, run(runner, work), 1e-4)


def test_several_workers_do_not_change_a_bit_of_a_reading(small: Classifier) -> None:
    clips = torch.randn(3, 3, 8, 32, 32)
    with Engine(ModelRunner(small.network, "cpu"), WORKERS) as engine:
        together = [job.result(TIMEOUT_S) for job in held(engine, crowd(clips))]
        alone = [engine.submit(work).result(TIMEOUT_S) for work in crowd(clips)]
    for found, expected in zip(together, alone, strict=True):
        assert_same(found, expected)


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="only Linux has this scheduling class")
def test_an_idle_worker_has_the_idle_scheduling_class(small: Classifier) -> None:
    def policy() -> Generator[Probe, Reading, int]:
        return os.sched_getscheduler(threading.get_native_id())
        yield

    workers = (Worker(explanations=False), Worker(classifications=False, idle=True))
    with Engine(ModelRunner(small.network, "cpu"), workers) as engine:
        behind = engine.submit(policy()).result(TIMEOUT_S)
        first = engine.submit(policy(), classification=True).result(TIMEOUT_S)
    assert (behind, first) == (os.SCHED_IDLE, os.sched_getscheduler(0))


def test_reading_a_layer_does_not_affect_other_threads(small: Classifier) -> None:
    clips = torch.randn(4, 3, 8, 32, 32)
    runner = ModelRunner(small.network, "cpu")

    def layers(clip: torch.Tensor) -> Generator[Probe, Reading, list[Reading]]:
        found = []
        for layer in ("layer3", "layer4"):
            found.append((yield Probe(clip[None], torch.zeros(1).long(), layer=layer)))
            found.append((yield Probe(clip[None], torch.zeros(1).long(), gradient=True)))
        return found

    with Engine(runner, WORKERS) as engine:
        jobs = [engine.submit(layers(clip)) for clip in clips]
        together = [job.result(TIMEOUT_S) for job in jobs]
    for found, clip in zip(together, clips, strict=True):
        for mine, yours in zip(found, run(runner, layers(clip)), strict=True):
            torch.testing.assert_close(mine.activation_gradient, yours.activation_gradient)
            torch.testing.assert_close(mine.gradient, yours.gradient)


def test_each_worker_has_its_own_number_of_threads() -> None:
    seen: list[int] = []

    def probes() -> Work[None]:
        seen.append(torch.get_num_threads())
        yield Probe(torch.zeros(1, 3, 2, 4, 4))

    before = torch.get_num_threads()
    workers = (Worker(explanations=False, threads=3), Worker(classifications=False, threads=1))
    with Engine(ModelRunner(Narrow(1), "cpu"), workers) as engine:
        engine.submit(probes(), classification=True).result(TIMEOUT_S)
        engine.submit(probes()).result(TIMEOUT_S)
    assert seen == [3, 1]
    assert torch.get_num_threads() == before


def test_a_lone_job_gets_all_threads() -> None:
    seen: list[int] = []
    clip = torch.zeros(1, 3, 2, 4, 4)
    both_run, other_ended = threading.Event(), threading.Event()

    def probes() -> Work[None]:
        yield Probe(clip)
        seen.append(torch.get_num_threads())
        both_run.set()
        other_ended.wait(TIMEOUT_S)
        yield Probe(clip)
        seen.append(torch.get_num_threads())

    def other() -> Work[None]:
        both_run.wait(TIMEOUT_S)
        yield Probe(clip)

    workers = (Worker(threads=1, lone_threads=3), Worker(threads=1, lone_threads=3))
    with Engine(ModelRunner(Narrow(1), "cpu"), workers) as engine:
        waiting = engine.submit(other())
        job = engine.submit(probes())
        waiting.result(TIMEOUT_S)
        other_ended.set()
        job.result(TIMEOUT_S)
        engine.submit(probes()).result(TIMEOUT_S)
    assert seen[0] == 1
    assert seen[-2:] == [3, 3]


@pytest.mark.parametrize(("short_pass_s", "threads"), [(60.0, 1), (0.0, 3)])
def test_only_a_large_network_gets_all_threads(
    monkeypatch: pytest.MonkeyPatch, short_pass_s: float, threads: int
) -> None:
    monkeypatch.setattr(device, "SHORT_PASS_S", short_pass_s)
    clip = torch.zeros(1, 3, 2, 4, 4)
    seen: list[int] = []

    def probes() -> Work[None]:
        yield Probe(clip)
        seen.append(torch.get_num_threads())

    with Engine(ModelRunner(Narrow(1), "cpu"), (Worker(threads=1, lone_threads=3),)) as engine:
        engine.devices[0].calibrate(lambda: engine.submit(probes()).result(TIMEOUT_S))
        assert seen[:2] == [1, 1]
        engine.submit(probes()).result(TIMEOUT_S)
    assert seen[-1] == threads


@pytest.mark.parametrize(
    ("surely_long_s", "calls", "threads"), [(0.0, ["few"], 3), (60.0, ["few", "all", "all"], 1)]
)
def test_a_pass_of_few_frames_tells_a_large_network(
    monkeypatch: pytest.MonkeyPatch, surely_long_s: float, calls: list[str], threads: int
) -> None:
    monkeypatch.setattr(device, "SURELY_LONG_S", surely_long_s)
    monkeypatch.setattr(device, "SHORT_PASS_S", 60.0)
    seen: list[str] = []
    found: list[int] = []

    def probes() -> Work[None]:
        yield Probe(torch.zeros(1, 3, 2, 4, 4))
        found.append(torch.get_num_threads())

    with Engine(ModelRunner(Narrow(1), "cpu"), (Worker(threads=1, lone_threads=3),)) as engine:
        engine.devices[0].calibrate(*(partial(seen.append, name) for name in ("all", "few")))
        engine.submit(probes()).result(TIMEOUT_S)
    assert seen == calls
    assert found == [threads]


def test_in_a_shared_pass_only_the_broken_job_fails() -> None:
    class Picky(Narrow):
        def forward(self, clips: torch.Tensor) -> torch.Tensor:
            if not torch.isfinite(clips).all():
                raise ValueError("not finite")
            return super().forward(clips)

    works = [readings(torch.full((1, 3, 2, 4, 4), value), 1) for value in (1.0, torch.nan, 2.0)]
    with Engine(ModelRunner(Picky(8), "cpu", batch=8)) as engine:
        first, broken, last = held(engine, works)
        assert len(first.result(TIMEOUT_S)) == len(last.result(TIMEOUT_S)) == 1
        with pytest.raises(VideoVisualError, match="not finite"):
            broken.result(TIMEOUT_S)


def test_a_new_job_goes_to_the_device_with_the_fewest() -> None:
    networks = [Narrow(1), Narrow(1)]
    gate = threading.Event()

    def waiting() -> Work[None]:
        gate.wait(TIMEOUT_S)
        yield Probe(torch.zeros(1, 3, 2, 4, 4))

    with Engine([ModelRunner(network, "cpu") for network in networks]) as engine:
        jobs = [engine.submit(waiting()) for _ in range(6)]
        assert [device.active for device in engine.devices] == [3, 3]
        assert engine.active == 6
        gate.set()
        for job in jobs:
            job.result(TIMEOUT_S)
        assert [len(network.sizes) for network in networks] == [3, 3]


def test_a_probe_without_clips_fails_its_job() -> None:
    with (
        Engine(ModelRunner(Narrow(1), "cpu")) as engine,
        pytest.raises(VideoVisualError, match="at least one clip"),
    ):
        engine.submit(readings(torch.zeros(0, 3, 2, 4, 4), 1)).result(TIMEOUT_S)
