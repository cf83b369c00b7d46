"""Inputs sent to one server, many at a time, and judged."""

import asyncio
import hashlib
import json
import time
import traceback
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import asynccontextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.soak import answers
from benchmarks.soak.connection import Connection, Received
from benchmarks.soak.inputs import CONTROLS, GRACE_S, Input, Inputs
from benchmarks.soak.progress import Progress
from benchmarks.soak.verdict import Wrong, essence, outcome
from benchmarks.soak.watch import Watch
from videovisual.server.reply import JSON, NDJSON
from videovisual_client.torchserve import Server

AT_ONCE = 10
REFUSAL_S = 1.0
HANG_S = 60.0
WAIT_FOR_MORE_S = 1.5
SAMPLE_S = 1.0
REST_EVERY_S = 120.0
REST_S = 23
"""A worker gives freed memory back every 20 s."""

LOOKS = 3
"""Samples of memory between two looks at the logs."""

PAUSE_S = 0.01
REPEATED = ("clip", "frames", "options", "document")
REPEAT_EVERY = 6
"""Of the inputs of these kinds, every sixth is sent twice."""

BUSY = ("503", "504")


class Campaign:
    """Sends a seed's inputs to a server, from a number on.

    Args:
        server: a running server.
        inputs: what to send.
        progress: what came of earlier inputs, continued here.
        folder: where progress and anomalies are written.
    """

    def __init__(self, server: Server, inputs: Inputs, progress: Progress, folder: Path) -> None:
        address = urlsplit(server.url)
        self._address = (str(address.hostname), int(address.port or 80))
        self._inputs = inputs
        self._progress = progress
        self._folder = folder
        self._watch = Watch(server, inputs.models)
        self._expected: dict[tuple[int, str], Received] = {}
        self._under_way: set[int] = set()
        self._open = asyncio.Event()
        self._quiet = asyncio.Condition()
        self._turn = asyncio.Lock()
        self._began = 0.0
        self._pool: ProcessPoolExecutor | None = None

    async def run(
        self, *, seconds: float, inputs: int | None = None, only: int | None = None
    ) -> None:
        """Send inputs until the progress has so many seconds or inputs, or one input alone."""
        await self._record()
        self._open.set()
        if only is not None:
            await self._one(only, Connection(*self._address))
            self._look()
            return
        self._progress.memory.append(self._watch.memory)
        self._began = time.monotonic() - self._progress.seconds
        beside = [asyncio.create_task(work) for work in (self._watching(), self._resting())]
        try:
            end = self._began + seconds
            await asyncio.gather(*(self._lane(end, inputs) for _ in range(AT_ONCE)))
        finally:
            for task in beside:
                task.cancel()
            self._look()
            self._save()
            if self._pool is not None:
                self._pool.shutdown(cancel_futures=True)

    async def _record(self) -> None:
        """The controls' answers on the idle server."""
        connection = Connection(*self._address)
        for model in self._inputs.models:
            for place in range(len(CONTROLS)):
                sent = self._inputs.control(place, model).sent
                first, second = [await connection.exchange(sent) for _ in range(2)]
                outcome(first, foreign=False)
                if essence(first) != essence(second):
                    raise RuntimeError(f"Control {place} of {model} has two answers.")
                self._expected[place, model] = first
        connection.close()

    async def _lane(self, end: float, inputs: int | None) -> None:
        connection = Connection(*self._address)
        while time.monotonic() < end:
            await self._open.wait()
            index = self._progress.next
            if index == inputs:
                break
            self._progress.next += 1
            self._under_way.add(index)
            try:
                await self._one(index, connection)
            except Exception:
                self._write({"fault": "wrong", "index": index, "what": traceback.format_exc()})
            # One that was cancelled stays under way, to be sent again after a stop.
            self._under_way.discard(index)
            async with self._quiet:
                self._quiet.notify_all()
        connection.close()

    async def _one(self, index: int, connection: Connection) -> None:
        item = self._inputs[index]
        if item.kind == "answer":
            await self._answer(item)
        elif item.leaving is not None:
            await connection.leave(item.sent, item.leaving)
            self._progress.note(item.kind, "left")
        else:
            await self._request(item, connection)

    async def _request(self, item: Input, connection: Connection) -> None:
        received = await self._exchange(item, connection)
        if received is None:
            connection.close()
            if item.incomplete:
                self._progress.note(item.kind, "waits for more")
            else:
                self._progress.note(item.kind, "no answer", HANG_S)
                self._anomaly(item, "hang", f"no answer in {HANG_S:.0f} s")
            return
        if item.incomplete:
            connection.close()
        try:
            found = outcome(received, foreign=item.foreign)
            self._compare(item, found, received)
        except Wrong as wrong:
            self._progress.note(item.kind, "wrong", received.seconds)
            self._anomaly(item, "wrong", str(wrong))
            self._look()
            return
        self._progress.note(item.kind, found, received.seconds)
        refused = found[:1] == "4"
        limit = REFUSAL_S + GRACE_S if refused else item.limit_s
        if received.seconds > limit:
            await self._late(item, limit, received.seconds)
        elif self._is_repeated(item) and found[:3] not in BUSY:
            await self._again(item, found, received, connection)

    async def _exchange(self, item: Input, connection: Connection) -> Received | None:
        """The answer; None if none came in time."""
        patience = WAIT_FOR_MORE_S if item.incomplete else HANG_S
        pause = PAUSE_S if item.pieces > 1 else 0.0
        sending = connection.exchange(item.sent, pieces=item.pieces, pause_s=pause)
        try:
            return await asyncio.wait_for(sending, patience)
        except asyncio.TimeoutError:
            return None

    def _compare(self, item: Input, found: str, received: Received) -> None:
        if item.control is None or found[:3] in BUSY:
            return
        expected = self._expected[item.control]
        if essence(received) != essence(expected):
            raise Wrong(f"not the first answer: {_difference(expected, received)}")

    def _is_repeated(self, item: Input) -> bool:
        return item.kind in REPEATED and item.repeatable and item.index % REPEAT_EVERY == 0

    async def _again(
        self, item: Input, found: str, first: Received, connection: Connection
    ) -> None:
        """The same input has the same answer."""
        self._progress.repeated += 1
        second = await self._exchange(item, connection)
        if second is None or str(second.status) in BUSY or b'"deadline_exceeded"' in second.body:
            return
        if essence(second) != essence(first):
            self._anomaly(item, "wrong", f"{found}, twice: {_difference(first, second)}")

    async def _late(self, item: Input, limit: float, seconds: float) -> None:
        """Late beside others: whether it is in time alone."""
        self._under_way.discard(item.index)
        async with self._alone():
            connection = Connection(*self._address)
            for _ in range(3):
                received = await self._exchange(item, connection)
                if received is not None and received.seconds <= limit:
                    self._progress.late += 1
                    connection.close()
                    return
            connection.close()
        self._anomaly(item, "hang", f"{seconds:.1f} s, over {limit:.1f} s, and again alone")

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Hold the other lanes, and wait until none of them is at work."""
        async with self._quiet:
            self._quiet.notify_all()
        async with self._turn:
            self._open.clear()
            try:
                async with self._quiet:
                    await self._quiet.wait_for(lambda: not self._under_way)
                yield
            finally:
                self._open.set()

    async def _answer(self, item: Input) -> None:
        if self._pool is None:
            recorded = [
                received
                for received in self._expected.values()
                if received.content_type.startswith((JSON, NDJSON))
            ]
            self._pool = ProcessPoolExecutor(
                1,
                mp_context=get_context("spawn"),
                initializer=answers.start,
                initargs=(self._inputs.seed, recorded),
            )
        pool = self._pool
        began = time.monotonic()
        try:
            checked = asyncio.wrap_future(pool.submit(answers.check, item.index))
            found, problem = await asyncio.wait_for(checked, HANG_S)
        except BrokenProcessPool:
            self._pool = None
            self._anomaly(item, "crash", "the client's process died")
            return
        except asyncio.TimeoutError:
            self._pool = None
            self._anomaly(item, "hang", f"the client did not return in {HANG_S:.0f} s")
            return
        self._progress.note(
            item.kind, found if problem is None else "wrong", time.monotonic() - began
        )
        if problem is not None:
            self._anomaly(item, "wrong", problem)

    async def _watching(self) -> None:
        while True:
            for _ in range(LOOKS):
                await asyncio.sleep(SAMPLE_S)
                self._watch.sample()
            await asyncio.to_thread(self._look)
            self._save()

    async def _resting(self) -> None:
        """Now and then hold all lanes, to see what the processes hold at rest."""
        while True:
            await asyncio.sleep(REST_EVERY_S)
            async with self._alone():
                self._watch.begin_rest()
                for _ in range(REST_S):
                    await asyncio.sleep(SAMPLE_S)
                    self._watch.rest()

    def _look(self) -> None:
        for crash in self._watch.crashes():
            near = sorted(self._under_way)
            self._write({"fault": "crash", "what": crash[:4000], "under_way": near})

    def _save(self) -> None:
        """Write the progress; inputs under way are sent again after a stop."""
        self._progress.seconds = round(time.monotonic() - self._began, 1)
        next_one = min(self._under_way, default=self._progress.next)
        saved = Progress(**{**vars(self._progress), "next": next_one})
        saved.write(self._folder / "progress.json")

    def _anomaly(self, item: Input, fault: str, what: str) -> None:
        facts = {"fault": fault, "index": item.index, "kind": item.kind, "note": item.note[:500]}
        self._write({**facts, "what": what[:2000]})

    def _write(self, anomaly: dict[str, Any]) -> None:
        self._progress.anomalies.append(anomaly)
        print(json.dumps(anomaly)[:600], flush=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "anomalies.jsonl").open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(anomaly) + "\n")


def _difference(first: Received, second: Received) -> str:
    """Where two answers differ."""
    one, other = essence(first), essence(second)
    if one[0] != other[0]:
        return f"{one[0]} {one[1][:200]!r}, then {other[0]} {other[1][:200]!r}"
    pairs = zip(one[1], other[1], strict=False)
    shorter = min(len(one[1]), len(other[1]))
    at = next((at for at, (a, b) in enumerate(pairs) if a != b), shorter)
    around = slice(max(0, at - 60), at + 60)
    digests = [hashlib.sha256(body).hexdigest()[:8] for _, body in (one, other)]
    return f"byte {at}: {one[1][around]!r}, then {other[1][around]!r} ({' '.join(digests)})"
