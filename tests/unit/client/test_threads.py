"""Clients and jobs that several threads or tasks use, close and use after that."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.unit.client.fake_server import FakeServer, Reply, answer
from tests.unit.client.raw_server import Raw, RawServer, raw_serving

import videovisual
from videovisual import zoo
from videovisual_client import AsyncClient, Client, errors
from videovisual_client.local import Local

Frames = npt.NDArray[np.uint8]
MODEL = "r3d-motion"
real_load = zoo.load
WAIT_S = 20
ACCEPTED = b'{"event": "accepted", "job": "", "queue": 0}\n'
STREAM = b"HTTP/1.1 200 OK\r\n\r\n"


@pytest.fixture
def silent() -> Iterator[RawServer]:
    """A server that accepts each job and then says nothing."""
    with raw_serving() as server:
        server.answer = lambda _: Raw(STREAM + ACCEPTED, stalls=True)
        yield server


def beside(work: Callable[[], Any]) -> Future[Any]:
    """Run the work in a thread of its own."""
    executor = ThreadPoolExecutor(1)
    future = executor.submit(work)
    executor.shutdown(wait=False)
    return future


def test_four_threads_load_a_model_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    together = threading.Barrier(4)

    def load(name: str, **options: Any) -> zoo.Classifier:
        loads.append(name)
        return real_load(name, **options)

    monkeypatch.setattr(zoo, "load", load)
    before = set(threading.enumerate())
    frames = videovisual.motion.sample(0).frames

    def classify(_: int) -> str:
        together.wait(WAIT_S)
        return local.classify(frames, model=MODEL).predictions[0].label

    with Local("cpu") as local, ThreadPoolExecutor(4) as executor:
        labels = list(executor.map(classify, range(4)))
    assert loads == [MODEL]
    assert len(set(labels)) == 1
    assert not set(threading.enumerate()) - before


def test_local_is_closed_while_it_loads_and_while_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    loading, go_on = threading.Event(), threading.Event()

    def load(name: str, **options: Any) -> zoo.Classifier:
        loading.set()
        assert go_on.wait(WAIT_S)
        return real_load(name, **options)

    monkeypatch.setattr(zoo, "load", load)
    before = set(threading.enumerate())
    local = Local("cpu")
    future = beside(lambda: local.load(MODEL))
    assert loading.wait(WAIT_S)
    local.close()
    go_on.set()
    assert isinstance(future.exception(WAIT_S), errors.ClientClosed)

    local = Local("cpu")
    job = local.submit(
        videovisual.motion.sample(0).frames, model=MODEL, method="rise", masks=10_000
    )
    next(job)
    future = beside(job.result)
    local.close()
    assert isinstance(future.exception(WAIT_S), errors.Cancelled | errors.ClientClosed)
    local.close()
    with pytest.raises(errors.ClientClosed):
        local.load(MODEL)
    future.exception(WAIT_S)
    assert not [each for each in set(threading.enumerate()) - before if "videovisual" in each.name]


def test_a_job_is_closed_while_another_thread_waits(silent: RawServer, clip: Frames) -> None:
    with Client(silent.url, token="") as client:
        job = client.submit(clip, model="m")
        future = beside(job.result)
        job.close()
        assert isinstance(future.exception(WAIT_S), errors.Cancelled)
        job.close()
        assert list(job) == []
        with pytest.raises(errors.Cancelled):
            job.result()


def test_a_local_job_is_closed_while_another_thread_waits() -> None:
    frames = videovisual.motion.sample(0).frames
    with Local("cpu") as local:
        job = local.submit(frames, model=MODEL, method="rise", masks=10_000)
        future = beside(job.result)
        job.close()
        assert isinstance(future.exception(WAIT_S), errors.Cancelled)


def test_two_threads_share_one_job(fake: FakeServer, client: Client, clip: Frames) -> None:
    steps = [{"event": "progress", "step": step, "of": 200} for step in range(200)]
    end = {"event": "result", "answer": answer().model_dump(mode="json")}
    fake.handler = lambda _: Reply(lines=iter([{"event": "accepted"}, *steps, end]))
    with client.submit(clip, model="m") as job:
        futures = [beside(lambda: list(job)) for _ in range(2)]
        seen = [event.step for future in futures for event in future.result(WAIT_S)]
        assert sorted(seen) == list(range(200))
        assert job.result().predictions


def test_a_client_is_closed_while_another_thread_waits(silent: RawServer, clip: Frames) -> None:
    arrived = threading.Event()

    def hold(_: bytes) -> Raw:
        arrived.set()
        return Raw(b"", stalls=True)

    silent.answer = hold
    client = Client(silent.url, token="")
    future = beside(lambda: client.classify(clip, model="m"))
    assert arrived.wait(WAIT_S)
    client.close()
    assert isinstance(future.exception(WAIT_S), errors.ClientClosed)


def test_a_closed_client_says_so(fake: FakeServer, clip: Frames) -> None:
    client = Client(fake.url, token="")
    client.close()
    client.close()
    with pytest.raises(errors.ClientClosed):
        client.classify(clip, model="m")
    with pytest.raises(errors.ClientClosed):
        list(client.explain_many([clip], model="m"))

    async def main() -> None:
        awaited = AsyncClient(fake.url, token="")
        await awaited.aclose()
        await awaited.aclose()
        with pytest.raises(errors.ClientClosed):
            await awaited.classify(clip, model="m")

    asyncio.run(main())


def test_tasks_share_a_job_and_close_it(silent: RawServer, clip: Frames) -> None:
    async def main() -> None:
        async with AsyncClient(silent.url, token="") as client:
            job = await client.submit(clip, model="m")
            waiting = [asyncio.create_task(job.result()) for _ in range(2)]
            await asyncio.sleep(0)
            await job.close()
            await job.close()
            results = await asyncio.gather(*waiting, return_exceptions=True)
            assert [type(result) for result in results] == [errors.Cancelled] * 2

    asyncio.run(main())


def test_an_awaited_client_is_closed_while_a_task_waits(silent: RawServer, clip: Frames) -> None:
    async def main() -> None:
        client = AsyncClient(silent.url, token="")
        job = await client.submit(clip, model="m")
        waiting = asyncio.create_task(job.result())
        await asyncio.sleep(0)
        await client.aclose()
        with pytest.raises(errors.ClientClosed):
            await waiting

    asyncio.run(main())


def test_a_cancelled_task_leaves_the_client_usable(silent: RawServer, clip: Frames) -> None:
    async def main() -> None:
        async with AsyncClient(silent.url, token="") as client:
            job = await client.submit(clip, model="m")
            waiting = asyncio.create_task(job.result())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            silent.answer = lambda _: Raw(b"HTTP/1.1 404 X\r\n\r\n{}")
            with pytest.raises(errors.ServerFailed):
                await client.classify(clip, model="m")

    asyncio.run(main())
