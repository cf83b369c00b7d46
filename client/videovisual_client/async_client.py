"""The awaited client."""

import asyncio
import itertools
import os
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable
from typing import Any

import httpx

from videovisual.protocol import Answer
from videovisual_client.errors import VideoVisualError, one_item
from videovisual_client.exchange import DEFAULT_URL, RETRIES, Exchange, Timeouts
from videovisual_client.interface import Interface
from videovisual_client.job import AsyncJob
from videovisual_client.many import AHEAD
from videovisual_client.polling import PolledExchange
from videovisual_client.request import ClipRequest
from videovisual_client.result import Classification, Explained
from videovisual_client.token import Token
from videovisual_client.transport import AwaitedTransport
from videovisual_client.upload import ClipLike


class AsyncClient(
    Interface[
        Coroutine[Any, Any, Classification],
        Coroutine[Any, Any, Explained],
        Coroutine[Any, Any, AsyncJob],
        AsyncIterator[Explained],
        AsyncIterator[Explained | VideoVisualError],
    ]
):
    """As `Client`, in an asyncio program: `await` the methods, `async for` over `explain_many`.

    Args:
        url, token, key_file, management_url, timeouts, retries, poll, transport: as `Client`.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        *,
        token: str | None = None,
        key_file: str | os.PathLike[str] | None = None,
        management_url: str | None = None,
        timeouts: Timeouts | None = None,
        retries: int = RETRIES,
        poll: bool = False,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        key = Token(token, key_file, management_url)
        exchange = PolledExchange if poll else Exchange
        self._exchange = exchange(url, key, timeouts, retries, AwaitedTransport(transport))

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def url(self) -> str:
        """The inference address."""
        return self._exchange.url

    async def aclose(self) -> None:
        """Close the connections."""
        await self._exchange.transport.close()

    async def _answer(self, request: ClipRequest) -> Answer:
        return await self._exchange.answer(request)

    async def _open(self, request: ClipRequest) -> AsyncJob:
        return await self._exchange.open(request)

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return coroutine

    def _submit(self, request: ClipRequest) -> Coroutine[Any, Any, AsyncJob]:
        return self._open(request)

    async def _explain_many(
        self, clips: Iterable[ClipLike], concurrency: int, errors: bool, options: dict[str, Any]
    ) -> AsyncIterator[Any]:
        running = asyncio.Semaphore(concurrency)

        async def explain(clip: ClipLike) -> Explained:
            with one_item():
                async with running, await self.submit(clip, **options) as job:
                    try:
                        return await job.result()
                    except asyncio.CancelledError:
                        await asyncio.shield(job.cancel())
                        raise

        tasks: deque[asyncio.Task[Explained]] = deque()
        remaining = iter(clips)
        try:
            while True:
                for clip in itertools.islice(remaining, AHEAD * concurrency - len(tasks)):
                    tasks.append(asyncio.create_task(explain(clip)))
                if not tasks:
                    return
                try:
                    yield await tasks[0]
                except VideoVisualError as error:
                    if not errors:
                        raise
                    yield error
                tasks.popleft()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
