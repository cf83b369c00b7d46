"""How requests reach a server: by blocking calls, or by awaited ones.

Everything that both clients do is written once, as coroutines over a `Transport`. The coroutines
of `AwaitedTransport` suspend as any others do. Those of `BlockingTransport` block instead and
never suspend, so `run` finishes whatever is built on them without an event loop.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that blocks instead of suspending, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("A coroutine of a blocking client suspended.")


class BlockingTransport:
    """The connections of `Client`, which block the calling thread."""

    def __init__(self, transport: httpx.BaseTransport | None) -> None:
        self._http = httpx.Client(transport=transport)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the body of the response is not read yet."""
        return self._http.send(request, stream=True)

    async def chunks(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """Read a response's body as it comes; closing the generator closes the response."""
        try:
            for chunk in response.iter_bytes():
                yield chunk
        finally:
            response.close()

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function that takes long."""
        return function()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    async def close(self) -> None:
        """Close all connections."""
        self._http.close()


class AwaitedTransport:
    """The connections of `AsyncClient`, which suspend the calling task."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None) -> None:
        self._http = httpx.AsyncClient(transport=transport)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return await self._http.send(request, stream=True)

    async def chunks(self, response: httpx.Response) -> AsyncGenerator[bytes, None]:
        """Read a response's body as it comes."""
        try:
            async for chunk in response.aiter_bytes():
                yield chunk
        finally:
            await response.aclose()

    async def call(self, function: Callable[[], T]) -> T:
        """Call a function that takes long, in a thread."""
        return await asyncio.to_thread(function)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()


Transport = BlockingTransport | AwaitedTransport
