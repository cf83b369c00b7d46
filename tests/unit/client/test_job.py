"""Jobs: followed, cancelled, and many of them at once."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.unit.client.fake_server import FakeServer, Received, Reply, answer

from videovisual.protocol import Array
from videovisual_client import Accepted, AsyncClient, Client, Partial, Progress, errors
from videovisual_client.events import EventParser

Frames = npt.NDArray[np.uint8]

ACCEPTED = {"event": "accepted", "job": "j1", "queue": 2}
STEP = {"event": "progress", "step": 3, "of": 9, "objective": None, "probability": 0.5}
RICH_STEP = STEP | {"eta_s": 4.5, "method": "step", "target": {"index": 1, "label": "ironing"}}
MAP = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
PARTIAL = {
    "event": "partial",
    "method": "step",
    "target": "ironing",
    "map": Array.of(MAP).model_dump(mode="json"),
    "step": 3,
}
RESULT = {"event": "result", "answer": answer().model_dump(mode="json")}
DONE = {"event": "done"}
CANCELLED = {
    "event": "error",
    "status": 499,
    "error": {"code": "cancelled", "message": "The job was cancelled."},
}
DEADLINE_S = 20


def test_progress_and_partial_maps(fake: FakeServer, client: Client, clip: Frames) -> None:
    lines = [ACCEPTED, STEP, RICH_STEP, PARTIAL, RESULT, DONE]
    fake.handler = lambda _: Reply(lines=iter(lines))
    steps: list[Progress] = []
    maps: list[Partial] = []
    result = client.explain(clip, model="m", on_progress=steps.append, on_partial=maps.append)
    assert result.predictions[0].label == "ironing"
    assert steps == [Progress(3, 9, None, 0.5), Progress(3, 9, None, 0.5, 4.5, "step", "ironing")]
    np.testing.assert_array_equal(maps[0].map, MAP)
    assert (maps[0].method, maps[0].target, maps[0].step) == ("step", "ironing", 3)
    assert fake.received[0].field("stream") == "true"
    assert fake.received[0].field("partial_every_s") == "2.0"


def test_partial_maps_are_opt_in(fake: FakeServer, client: Client, clip: Frames) -> None:
    fake.handler = lambda _: Reply(lines=iter([ACCEPTED, RESULT, DONE]))
    client.explain(clip, model="m", on_progress=print)
    assert fake.received[0].field("partial_every_s") is None


def test_a_server_without_job_ids_and_queue(fake: FakeServer, client: Client, clip: Frames) -> None:
    fake.handler = lambda _: Reply(lines=iter([{"event": "accepted"}, STEP, RESULT, DONE]))
    with client.submit(clip, model="m") as job:
        assert (job.id, job.queue) == ("", 0)
        assert job.result().predictions
        assert not job.cancel()


@pytest.mark.parametrize(
    ("lines", "kind"),
    [
        ([ACCEPTED, CANCELLED, DONE], errors.Cancelled),
        ([ACCEPTED, STEP, DONE], errors.ConnectionFailed),
        ([], errors.ConnectionFailed),
    ],
)
def test_a_job_that_fails(
    fake: FakeServer, client: Client, clip: Frames, lines: list[Any], kind: type[Exception]
) -> None:
    fake.handler = lambda _: Reply(lines=iter(lines))
    job = client.submit(clip, model="m")
    with pytest.raises(kind):
        job.result()
    with pytest.raises(kind):
        client.explain(clip, model="m", on_progress=print)


def test_a_connection_that_breaks_during_a_job(
    client: Client, fake: FakeServer, clip: Frames
) -> None:
    def lines() -> Iterator[Any]:
        yield ACCEPTED
        raise OSError("the server dies")

    fake.handler = lambda _: Reply(lines=lines())
    with pytest.raises(errors.ConnectionFailed):
        client.submit(clip, model="m").result()


def test_a_refusal_is_raised_by_submit(client: Client, fake: FakeServer, clip: Frames) -> None:
    refusal = {"error": {"code": "unknown_method", "message": "No."}}
    fake.reply_with(Reply(refusal, 422))
    with pytest.raises(errors.UnknownMethod):
        client.submit(clip, model="m", method="magic")


class Cancellable:
    """A handler whose jobs go on until they are cancelled by their ids, or end after a deadline."""

    def __init__(self, *, knows_ids: bool = True) -> None:
        self.knows_ids = knows_ids
        self.left = threading.Event()
        self.cancelled = threading.Event()

    def __call__(self, request: Received) -> Reply:
        if request.headers.get("Content-Type") == "application/json":
            assert request.path == "/predictions/m"
            known = json.loads(request.body) == {"cancel": "j1"}
            self.cancelled.set()
            return Reply({"cancelled": known})
        return Reply(lines=self.lines())

    def lines(self) -> Iterator[Any]:
        yield ACCEPTED if self.knows_ids else {"event": "accepted"}
        deadline = time.monotonic() + DEADLINE_S
        try:
            while not self.cancelled.wait(0.01):
                yield STEP
                if time.monotonic() > deadline:
                    return
        except (OSError, GeneratorExit):
            self.left.set()
            raise
        yield CANCELLED
        yield DONE


def test_cancel_from_the_loop(fake: FakeServer, client: Client, clip: Frames) -> None:
    fake.handler = Cancellable()
    with client.submit(clip, model="m") as job:
        assert (job.id, job.queue) == ("j1", 2)
        for event in job:
            assert isinstance(event, Progress)
            assert job.cancel()
            break
        with pytest.raises(errors.Cancelled):
            job.result()


def test_cancel_from_another_thread(fake: FakeServer, client: Client, clip: Frames) -> None:
    fake.handler = Cancellable()
    with client.submit(clip, model="m") as job:
        threading.Timer(0.05, job.cancel).start()
        with pytest.raises(errors.Cancelled):
            job.result()


def test_cancel_on_a_server_without_ids(fake: FakeServer, client: Client, clip: Frames) -> None:
    fake.handler = handler = Cancellable(knows_ids=False)
    with client.submit(clip, model="m") as job:
        assert not job.cancel()
        with pytest.raises(errors.Cancelled):
            job.result()
    assert handler.left.wait(DEADLINE_S)


def test_leaving_the_block_cancels_the_job(fake: FakeServer, client: Client, clip: Frames) -> None:
    fake.handler = handler = Cancellable()
    with client.submit(clip, model="m"):
        pass
    assert handler.left.wait(DEADLINE_S)


def test_awaited_jobs(fake: FakeServer, clip: Frames) -> None:
    fake.handler = Cancellable()

    async def main() -> None:
        async with AsyncClient(fake.url, token="") as client:
            async with await client.submit(clip, model="m") as job:
                assert (job.id, job.queue) == ("j1", 2)
                async for event in job:
                    assert isinstance(event, Progress)
                    assert await job.cancel()
                    break
                with pytest.raises(errors.Cancelled):
                    await job.result()
            fake.handler = lambda _: Reply(lines=iter([ACCEPTED, PARTIAL, RESULT, DONE]))
            maps: list[Partial] = []
            await client.explain(clip, model="m", on_partial=maps.append)
            assert len(maps) == 1

    asyncio.run(main())


def test_the_blocking_client_works_inside_an_event_loop(fake: FakeServer, clip: Frames) -> None:
    fake.handler = lambda _: Reply(lines=iter([ACCEPTED, STEP, RESULT, DONE]))

    async def main() -> None:
        with Client(fake.url, token="") as client:
            assert client.explain(clip, model="m", on_progress=print).predictions
            unfinished = client.submit(clip, model="m")
            assert next(unfinished) == Progress(3, 9, None, 0.5)

    asyncio.run(main())


class Many:
    """A handler that answers each clip with its number of frames; later clips may finish first."""

    def __init__(self, bad: int | None = None) -> None:
        self.bad = bad
        self.now = self.most = 0
        self.lock = threading.Lock()
        self.turn = threading.Condition()

    def __call__(self, request: Received) -> Reply:
        if request.headers.get("Content-Type") == "application/json":
            return Reply({"cancelled": True})
        return Reply(lines=self.lines(int(request.field("top_k") or 0)))

    def lines(self, number: int) -> Iterator[Any]:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        yield ACCEPTED
        # The even ones wait for a moment, so that answers overtake one another.
        with self.turn:
            self.turn.wait(0.05 if number % 2 == 0 else 0)
        with self.lock:
            self.now -= 1
        if number == self.bad:
            yield CANCELLED
        else:
            yield {"event": "result", "answer": answer(model=str(number)).model_dump(mode="json")}
        yield DONE


def sizes(clips: int) -> list[Frames]:
    return [np.zeros((index + 1, 8, 8, 3), np.uint8) for index in range(clips)]


def collect(fake: FakeServer, awaited: bool, **options: Any) -> list[Any]:
    """All results of ten clips, by either client."""
    given = {"model": "m", "concurrency": 3, **options}
    if not awaited:
        with Client(fake.url, token="") as client:
            return list(client.explain_many(sizes(10), **given))

    async def main() -> list[Any]:
        async with AsyncClient(fake.url, token="") as client:
            return [one async for one in client.explain_many(sizes(10), **given)]

    return asyncio.run(main())


class Numbered:
    """Puts the number of each request's arrival into the answer: its clip's length tells it."""

    def __init__(self, handler: Many) -> None:
        self.handler = handler

    def __call__(self, request: Received) -> Reply:
        if request.headers.get("Content-Type") == "application/json":
            return self.handler(request)
        data = request.body[request.body.index(b"PK\x03\x04") :]
        import io

        frames = np.load(io.BytesIO(data.rpartition(b"\r\n--")[0]))["frames"]
        return Reply(lines=self.handler.lines(len(frames)))


@pytest.mark.parametrize("awaited", [False, True])
def test_many_clips_keep_their_order_and_the_limit(fake: FakeServer, awaited: bool) -> None:
    fake.handler = Numbered(many := Many())
    results = collect(fake, awaited)
    assert [result.model for result in results] == [str(number) for number in range(1, 11)]
    assert 1 < many.most <= 3


@pytest.mark.parametrize("awaited", [False, True])
def test_an_error_among_many_is_yielded_in_order(fake: FakeServer, awaited: bool) -> None:
    fake.handler = Numbered(Many(bad=4))
    results = collect(fake, awaited, return_errors=True)
    assert [type(result).__name__ for result in results] == (
        ["Explained"] * 3 + ["Cancelled"] + ["Explained"] * 6
    )


@pytest.mark.parametrize("awaited", [False, True])
def test_an_error_among_many_ends_the_rest(fake: FakeServer, awaited: bool) -> None:
    fake.handler = Numbered(Many(bad=1))
    with pytest.raises(errors.Cancelled):
        collect(fake, awaited)
    assert len(fake.received) < 10


def test_leaving_the_loop_cancels_running_jobs(fake: FakeServer, clip: Frames) -> None:
    handler = Cancellable()
    first = Reply(lines=iter([ACCEPTED, RESULT, DONE]))
    fake.handler = lambda request: first if len(fake.received) == 1 else handler(request)
    with Client(fake.url, token="") as client:
        for result in client.explain_many([clip] * 3, model="m", concurrency=1):
            assert result.predictions
            break
    assert sum("json" in request.headers["Content-Type"] for request in fake.received) <= 1


def test_events_are_parsed_from_chunks_of_any_size() -> None:
    lines = [json.dumps(event).encode() for event in (ACCEPTED, STEP)]
    text = b"\n\n".join(lines) + b'\n{"event"'
    for size in range(1, len(text) + 1):
        parser = EventParser()
        events = [
            event
            for start in range(0, len(text), size)
            for event in parser.feed(text[start : start + size])
        ]
        assert events == [Accepted("j1", 2), Progress(3, 9, None, 0.5)]
