"""An explanation that is under way: followed, cancelled, waited for."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
)
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from types import TracebackType

from videovisual.protocol import Answer
from videovisual_client.errors import VideoVisualError
from videovisual_client.events import Accepted, Event, EventParser, Lines, Partial, Progress
from videovisual_client.result import Explained
from videovisual_client.upload import ClipLike

OnProgress = Callable[[Progress], None]
OnPartial = Callable[[Partial], None]

Chunks = AbstractContextManager[Iterator[bytes]]
AsyncChunks = AbstractAsyncContextManager[AsyncIterator[bytes]]


def tell(event: Event, on_progress: OnProgress | None, on_partial: OnPartial | None) -> None:
    """Pass an event on to whom it concerns."""
    if on_progress is not None and isinstance(event, Progress):
        on_progress(event)
    elif on_partial is not None and isinstance(event, Partial):
        on_partial(event)


class Handle:
    """What blocking and awaited jobs have in common."""

    def __init__(self, clip: ClipLike) -> None:
        self._clip = clip
        self._story = EventParser()
        self._lines = Lines()

    @property
    def id(self) -> str:
        """The server's name for the job; empty where it gives none."""
        return self._story.accepted.job

    @property
    def queue(self) -> int:
        """How many jobs were before it when it was taken in; 0 means that it runs."""
        return self._story.accepted.queue

    def _hear(self, chunk: bytes) -> Iterator[Event]:
        for line in self._lines.feed(chunk):
            event = self._story.hear(line)
            if event is not None:
                yield event


class Job(Handle):
    """An explanation under way; iterating it gives `Progress` and `Partial` as they come.

    A context manager too: leaving it before the end gives the job up.
    """

    def __init__(self, clip: ClipLike, chunks: Chunks, cancel: Callable[[str], bool]) -> None:
        super().__init__(clip)
        self._cancel = cancel
        self._source = chunks
        self._events = self._follow()
        first = next(self._events, None)
        self._waiting = [first] if first and not isinstance(first, Accepted) else []

    def __enter__(self) -> Job:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        return self._waiting.pop() if self._waiting else next(self._events)

    def result(self) -> Explained:
        """Wait for the end.

        Raises:
            Cancelled: `cancel` was called.
            VideoVisualError: any other of `videovisual_client.errors`.
        """
        return Explained(self.answer(), self._clip)

    def answer(self) -> Answer:
        """Wait for the end; what the server said, without the clip."""
        for _ in self:
            """Only the end matters."""
        return self._story.outcome()

    def cancel(self) -> bool:
        """Have the server stop within one step; from any thread.

        Returns:
            Whether the server had the job and gives it up; if not, it may have ended. A server
            that knows no job ids notices that this side no longer listens.
        """
        if self._story.ended:
            return False
        if self.id and self._cancel(self.id):
            return True
        self._story.given_up = True
        return False

    def close(self) -> None:
        """Stop listening, upon which the server gives an unfinished job up."""
        self._events.close()

    def _follow(self) -> Generator[Event, None, None]:
        try:
            with self._source as chunks:
                for chunk in chunks:
                    yield from self._hear(chunk)
                    if self._story.given_up:
                        return
        except VideoVisualError as error:
            self._story.fail(error)


class AsyncJob(Handle):
    """As `Job`, awaited: `async for event in job`, `await job.result()`, `await job.cancel()`."""

    def __init__(
        self, clip: ClipLike, chunks: AsyncChunks, cancel: Callable[[str], Awaitable[bool]]
    ) -> None:
        super().__init__(clip)
        self._cancel = cancel
        self._source = chunks
        self._events = self._follow()
        self._waiting: list[Event] = []

    async def begin(self) -> AsyncJob:
        """Wait until the server has taken the job in."""
        first = await anext(self._events, None)
        self._waiting = [first] if first and not isinstance(first, Accepted) else []
        return self

    async def __aenter__(self) -> AsyncJob:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        return self._waiting.pop() if self._waiting else await anext(self._events)

    async def result(self) -> Explained:
        """As `Job.result`."""
        return Explained(await self.answer(), self._clip)

    async def answer(self) -> Answer:
        """As `Job.answer`."""
        async for _ in self:
            """Only the end matters."""
        return self._story.outcome()

    async def cancel(self) -> bool:
        """As `Job.cancel`; from another task."""
        if self._story.ended:
            return False
        if self.id and await self._cancel(self.id):
            return True
        self._story.given_up = True
        return False

    async def close(self) -> None:
        """As `Job.close`."""
        await self._events.aclose()

    async def _follow(self) -> AsyncGenerator[Event, None]:
        try:
            async with self._source as chunks:
                async for chunk in chunks:
                    for event in self._hear(chunk):
                        yield event
                    if self._story.given_up:
                        return
        except VideoVisualError as error:
            self._story.fail(error)
