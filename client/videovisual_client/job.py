"""A running explanation: follow it, cancel it, wait for it."""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing

from videovisual.protocol import Answer
from videovisual_client.errors import VideoVisualError
from videovisual_client.events import Accepted, Event, EventParser
from videovisual_client.notebook import bars
from videovisual_client.result import Explained
from videovisual_client.transport import run
from videovisual_client.upload import ClipLike


class AsyncJob:
    """As `Job`, awaited: `async for event in job`, `await job.result()`, `await job.cancel()`.

    `chunks` is the body of the server's response, whose readers `interrupt` ends. `cancel` cancels
    the job of an id, and returns whether the server knew it.
    """

    def __init__(
        self,
        clip: ClipLike,
        chunks: AsyncGenerator[bytes, None],
        cancel: Callable[[str], Awaitable[bool]],
        interrupt: Callable[[], None],
    ) -> None:
        self._clip = clip
        self._chunks = chunks
        self._cancel = cancel
        self._interrupt = interrupt
        # A generator can't be resumed while it runs. Of a blocking job, `Job` has a lock before.
        self._reading = asyncio.Lock()
        self._parser = EventParser()
        self._events = self._read()
        self._first: Event | None = None

    async def begin(self) -> "AsyncJob":
        """Wait until the server has accepted the job."""
        first = await anext(self._events, None)
        self._first = None if isinstance(first, Accepted) else first
        return self

    async def __aenter__(self) -> "AsyncJob":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        async with self._reading:
            event, self._first = self._first, None
            return await anext(self._events) if event is None else event

    @property
    def id(self) -> str:
        """As `Job.id`."""
        return self._parser.accepted.job

    @property
    def queue(self) -> int:
        """As `Job.queue`."""
        return self._parser.accepted.queue

    async def result(self) -> Explained:
        """As `Job.result`."""
        return Explained(await self.answer(), self._clip)

    async def answer(self) -> Answer:
        """As `Job.answer`."""
        async for _ in self:
            """Only the end matters."""
        return self._parser.answer()

    async def cancel(self) -> bool:
        """As `Job.cancel`; from another task."""
        if self._parser.ended:
            return False
        if self.id and await self._cancel(self.id):
            return True
        self._parser.cancelled = True
        return False

    async def close(self) -> None:
        """As `Job.close`; from another task too."""
        self.stop()
        async with self._reading:
            await self._events.aclose()

    def stop(self) -> None:
        """Have a reader of an unfinished job meet its end."""
        if not self._parser.ended:
            self._parser.cancelled = True
            self._interrupt()

    async def _read(self) -> AsyncGenerator[Event, None]:
        try:
            async with aclosing(self._chunks) as chunks:
                async for chunk in chunks:
                    for event in self._parser.feed(chunk):
                        yield event
                    if self._parser.cancelled:
                        return
            for event in self._parser.finish():
                yield event
        except VideoVisualError as error:
            self._parser.fail(error)


class Job:
    """A running explanation; iterate it for `Progress` and `Partial` events as they arrive.

    Also a context manager: leaving it before the end cancels the job. Several threads may use it:
    each event reaches one of them.
    """

    def __init__(self, job: AsyncJob) -> None:
        self._job = job
        self._reading = threading.RLock()

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ipython_display_(self) -> None:
        """What a notebook shows: a bar until the job's end, which it waits for."""
        from IPython.display import HTML, display  # noqa: PLC0415

        shown = display(HTML(""), display_id=True)
        for bar in bars(self.queue, self, self.answer):
            shown.update(HTML(bar))

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        try:
            with self._reading:
                return run(self._job.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None

    @property
    def id(self) -> str:
        """The job's id on the server; empty if the server gives none."""
        return self._job.id

    @property
    def queue(self) -> int:
        """How many jobs were queued before this one when it was accepted; 0 means that it runs."""
        return self._job.queue

    def result(self) -> Explained:
        """Wait for the end.

        Raises:
            Cancelled: `cancel` was called.
            VideoVisualError: any other of `videovisual_client.errors`.
        """
        with self._reading:
            return run(self._job.result())

    def answer(self) -> Answer:
        """Wait for the end, and return the server's answer without the clip."""
        with self._reading:
            return run(self._job.answer())

    def cancel(self) -> bool:
        """Cancel the job within one step; from any thread.

        A search that was submitted with `partial=True` then ends with its best map so far, unless
        this is called again.

        Returns:
            Whether the server knew the job and cancels it. If not, the job may have ended. A
            server without job ids cancels when it notices that the connection is closed.
        """
        return run(self._job.cancel())

    def close(self) -> None:
        """Close the connection, upon which the server cancels an unfinished job; from any thread.

        A thread that waits for the job's result gets `Cancelled`.
        """
        self._job.stop()
        with self._reading:
            run(self._job.close())
