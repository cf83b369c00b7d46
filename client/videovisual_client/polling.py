"""Requests as jobs that are followed by short questions, where a gateway would cut a stream."""

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial

from pydantic import BaseModel

from videovisual.protocol import AcceptedEvent, Answer, JobState
from videovisual_client.errors import Cancelled, JobDropped, from_json, from_response
from videovisual_client.exchange import Exchange, path_of
from videovisual_client.job import AsyncJob
from videovisual_client.request import ClipRequest
from videovisual_client.wire import MAX_ANSWER_BYTES, parse_job

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 2.0
READ_S = 30.0
"""How long the server may take for the next piece of what it tells of a job."""
SLOWER = 1.5
"""Factor from each pause between two questions to the next."""


class PolledExchange(Exchange):
    """Makes each request about a clip a job.

    What is asked of the server is sent again whenever a connection is lost: it knows a request that
    comes twice by its key.
    """

    async def answer(self, request: ClipRequest) -> Answer:
        """As `Exchange.answer`."""
        async with await self.open(request) as job:
            return await job.answer()

    async def open(self, request: ClipRequest) -> AsyncJob:
        """As `Exchange.open`."""
        # The state of a job that was submitted twice may have a map.
        read = partial(self._read, most=MAX_ANSWER_BYTES)
        told = await self._send_clip(request.polled(), read, key=uuid.uuid4().hex)
        polling = Polling(told, self._ask, self._cancel_job, self.transport.sleep)
        # Closing has nothing to interrupt: between two questions the reader sees it.
        return await AsyncJob(request.clip, polling.lines(), polling.cancel, lambda: None).begin()

    async def _ask(self, job: JobState, wanted: str) -> bytes:
        """The `state` or the `result` of a job."""

        async def once() -> bytes:
            if job.address is None:
                path, asked = path_of("predictions", job.model), {f"job_{wanted}": job.job}
                request = self._request(path, read_s=READ_S, json=asked)
            else:
                path = path_of("jobs", job.job, *(["result"] if wanted == "result" else []))
                request = self._request(path, verb="GET", read_s=READ_S)
            response = await self.transport.send(request)
            body = await self._read(response, MAX_ANSWER_BYTES)
            error = from_response(response.status_code, body, response.headers)
            if error is not None:
                raise error
            return body

        return await self._persist(once, safe=True)

    async def _cancel_job(self, job: JobState) -> bool:
        """Whether the server knew the job and cancels it."""
        if job.address is None:
            return await self._cancel(job.model, job.job)
        return await self._stop(self._request(path_of("jobs", job.job), verb="DELETE"))


class Polling:
    """One job, told as the lines of a stream.

    Args:
        accepted: what the server answered to the request.
        ask: gets `state` or `result` from the server.
        cancel: cancels the job; whether the server knew it.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        accepted: bytes,
        ask: Callable[[JobState, str], Awaitable[bytes]],
        cancel: Callable[[JobState], Awaitable[bool]],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._state = parse_job(accepted)
        self._ask = ask
        self._cancel = cancel
        self._sleep = sleep
        self._cancelled = False

    async def cancel(self, _job: str = "") -> bool:
        """Cancel the job; whether the server knew it."""
        self._cancelled = True
        return await self._cancel(self._state)

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """The stream's lines. Closing the generator before their end cancels the job.

        Raises:
            VideoVisualError: why there is no answer.
        """
        try:
            yield _line(AcceptedEvent(job=self._state.job, queue=self._state.queue))
            async with aclosing(self._progress()) as progress:
                async for line in progress:
                    yield line
            if self._state.error is not None:
                raise from_json(self._state.model_dump(), self._state.status or 500)
            answer = await self._ask(self._state, "result")
            yield b'{"event":"result","answer":%s}\n' % answer
        except JobDropped:
            # A job that has just ended is deleted where it was to be cancelled.
            if self._cancelled:
                raise Cancelled("The job was cancelled.") from None
            raise
        finally:
            if not self._state.ended:
                await self.cancel()

    async def _progress(self) -> AsyncGenerator[bytes, None]:
        """What is new at each question, or an empty line, until the job has ended."""
        pause = FIRST_PAUSE_S
        while not self._state.ended:
            await self._sleep(pause)
            pause = min(pause * SLOWER, LONGEST_PAUSE_S)
            before, self._state = self._state, parse_job(await self._ask(self._state, "state"))
            if self._state.progress not in (None, before.progress):
                yield _line(self._state.progress)
            if self._state.partial not in (None, before.partial):
                yield _line(self._state.partial)
            # Also without news: whoever reads may want to leave.
            yield b"\n"


def _line(event: BaseModel | None) -> bytes:
    assert event is not None
    return event.model_dump_json().encode() + b"\n"
