from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Generator, Iterator
from typing import Any

import pytest
import torch

from videovisual.engine.engine import Engine, run
from videovisual.engine.job import Job, State
from videovisual.engine.model_runner import ModelRunner
from videovisual.engine.probe import Probe, Reading, Work, classification
from videovisual.engine.progress import Progress
from videovisual.errors import Cancelled, DeadlineExceeded, VideoVisualError
from videovisual.zoo import Classifier

TIMEOUT_S = 60


@pytest.fixture
def runner(small: Classifier) -> ModelRunner:
    return ModelRunner(small.network, "cpu")


@pytest.fixture
def engine(runner: ModelRunner) -> Iterator[Engine]:
    with Engine(runner) as engine:
        yield engine


def steps(clip: torch.Tensor, count: int) -> Generator[Probe, Reading, list[float]]:
    """Yield `count` probes; the result is the first logit of each reading."""
    seen = []
    for step in range(count):
        reading = yield Probe(clip[None], progress=Progress(step, count))
        seen.append(float(reading.logits[0, 0]))
    return seen


def test_a_job_equals_a_plain_run(engine: Engine, runner: ModelRunner, clip: torch.Tensor) -> None:
    assert engine.submit(steps(clip, 3)).result(TIMEOUT_S) == run(runner, steps(clip, 3))


def test_progress_is_reported_in_order(engine: Engine, clip: torch.Tensor) -> None:
    reported: list[int] = []
    engine.submit(
        steps(clip, 4), on_progress=lambda progress: reported.append(progress.step)
    ).result(TIMEOUT_S)
    assert reported == [0, 1, 2, 3]


def test_an_error_ends_only_its_own_job(engine: Engine, clip: torch.Tensor) -> None:
    def broken() -> Work[None]:
        yield Probe(clip[None])
        raise RuntimeError("broken method")

    def misshapen() -> Work[None]:
        yield Probe(torch.zeros(1, 5, 2, 2, 2))

    good = engine.submit(steps(clip, 3))
    with pytest.raises(VideoVisualError, match="broken method"):
        engine.submit(broken()).result(TIMEOUT_S)
    with pytest.raises(VideoVisualError):
        engine.submit(misshapen()).result(TIMEOUT_S)
    assert len(good.result(TIMEOUT_S)) == 3


@pytest.mark.parametrize("wanted", [{"gradient": True}, {"layer": "fc"}])
def test_a_failed_job_keeps_no_clips_even_without_garbage_collection(
    engine: Engine, clip: torch.Tensor, wanted: dict[str, Any]
) -> None:
    kept: list[weakref.ref[torch.Tensor]] = []

    def broken() -> Work[None]:
        clips = clip[None].clone()
        kept.append(weakref.ref(clips))
        reading = yield Probe(clips, torch.tensor([0]), **wanted)
        assert reading.gradient is not None
        kept.append(weakref.ref(reading.gradient))
        raise RuntimeError("broken method")

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(VideoVisualError) as caught:
            engine.submit(broken()).result(TIMEOUT_S)
        if "gradient" in wanted:
            assert [each.rpartition(" ")[2] for each in caught.value.trace] == ["broken"]
        # A worker keeps its last step until the next one.
        engine.submit(classification(clip[None])).result(TIMEOUT_S)
        deadline = time.monotonic() + 5
        while any(each() is not None for each in kept) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert [each() for each in kept if each() is not None] == []
    finally:
        gc.enable()


def test_cancelling_stops_within_one_step_and_closes_the_generator(
    engine: Engine, clip: torch.Tensor
) -> None:
    began, closed = threading.Event(), threading.Event()
    count = 0

    def endless() -> Work[None]:
        nonlocal count
        try:
            while True:
                count += 1
                began.set()
                yield Probe(clip[None])
        finally:
            closed.set()

    job = engine.submit(endless())
    assert began.wait(TIMEOUT_S)
    job.cancel()
    at_cancel = count
    with pytest.raises(Cancelled):
        job.result(TIMEOUT_S)
    assert closed.is_set()
    assert count <= at_cancel + 1
    assert job.pending is None


def test_a_deadline_ends_the_job(engine: Engine, clip: torch.Tensor) -> None:
    job = engine.submit(steps(clip, 10**9), deadline=time.monotonic() + 0.3)
    with pytest.raises(DeadlineExceeded, match="timeout_s passed"):
        job.result(TIMEOUT_S)
    assert job.state is State.FAILED


def test_a_classification_waits_for_at_most_one_step(engine: Engine, clip: torch.Tensor) -> None:
    order: list[str] = []
    classifications: list[Job[None]] = []

    def classify() -> Work[None]:
        yield Probe(clip[None])
        order.append("classification")

    def slow() -> Work[None]:
        for _ in range(5):
            yield Probe(clip[None])
            order.append("step")
            if len(order) == 4:
                classifications.append(engine.submit(classify(), classification=True))

    for job in [engine.submit(slow()) for _ in range(3)]:
        job.result(TIMEOUT_S)
    assert order.index("classification") == 4


def test_closing_cancels_running_jobs(runner: ModelRunner, clip: torch.Tensor) -> None:
    engine = Engine(runner)
    job = engine.submit(steps(clip, 10**9))
    engine.close()
    with pytest.raises(Cancelled):
        job.result(TIMEOUT_S)
    with pytest.raises(Cancelled, match="engine is closed"):
        engine.submit(classification(clip[None]))
