"""How requests reach a server: by blocking calls, or by awaited ones.

Everything that both clients do is written once, as coroutines over a `Transport`. The coroutines
of `AwaitedTransport` suspend as any others do. Those of `BlockingTransport` block instead and
never suspend, so `run` finishes whatever is built on them without an event loop.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import AsyncGenerator, Callable, Coroutine
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Generic, TypeVar
from weakref import WeakSet

import httpx

from videovisual.utils.network import client_options, is_loopback, network_settings
from videovisual_client.errors import ClientClosed

T = TypeVar("T")
Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)

FAILURES = (httpx.RequestError, httpx.InvalidURL, httpx.StreamError, OSError)
"""What httpx raises for a request that failed, or whose connection was closed meanwhile."""


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that blocks instead of suspending, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("A coroutine of a blocking client suspended.")


def interrupt(response: httpx.Response) -> None:
    """Have whoever reads a response, in any thread, meet the end of the connection."""
    _shut(response.extensions.get("network_stream"))


def _shut(stream: Any) -> None:
    # Closing alone doesn't wake another thread that reads the socket.
    with contextlib.suppress(Exception):
        stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class _Connections(Generic[Http]):
    """The httpx clients of loopback and of all other hosts, whose proxies differ."""

    def __init__(self, make: Callable[..., Http], transport: Any) -> None:
        self._make: Callable[..., Http] = make
        self._transport = transport
        self._clients: dict[bool, Http] = {}
        self._streams: WeakSet[Any] = WeakSet()
        self._lock = threading.Lock()
        self.closed = False

    def client(self, url: httpx.URL) -> Http:
        """The client for an address.

        Raises:
            ClientClosed: `close` was called.
            NetworkSettingsError: a variable of the environment can't be used.
        """
        local = is_loopback(url.host)
        with self._lock, network_settings():
            if self.closed:
                raise ClientClosed("This client is closed. Make a new one.")
            if local not in self._clients:
                # Without cookies: a broken one would fail the next request.
                jar = CookieJar(DefaultCookiePolicy(allowed_domains=[]))
                self._clients[local] = self._make(
                    transport=self._transport, cookies=jar, **client_options(url)
                )
            return self._clients[local]

    def remember(self, event: str, info: dict[str, Any]) -> None:
        """Keep each new socket; httpx calls this while a request is sent."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._streams.add(info["return_value"])

    def close(self) -> list[Http]:
        """Wake all threads that read or write, and return the clients, to be closed."""
        with self._lock:
            self.closed = True
            clients, self._clients = list(self._clients.values()), {}
        for stream in list(self._streams):
            _shut(stream)
        return clients


class BlockingTransport:
    """The connections of `Client`, which block the calling thread."""

    def __init__(self, transport: httpx.BaseTransport | None) -> None:
        self.connections: _Connections[httpx.Client] = _Connections(httpx.Client, transport)

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request; the body of the response is not read yet."""
        request.extensions["trace"] = self.connections.remember
        return self.connections.client(request.url).send(request, stream=True)

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
        """Close all connections; requests that run in other threads end with `ClientClosed`."""
        for client in self.connections.close():
            client.close()


class AwaitedTransport:
    """The connections of `AsyncClient`, which suspend the calling task."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None) -> None:
        self.connections: _Connections[httpx.AsyncClient] = _Connections(
            httpx.AsyncClient, transport
        )

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""

        async def remember(event: str, info: dict[str, Any]) -> None:
            self.connections.remember(event, info)

        request.extensions["trace"] = remember
        return await self.connections.client(request.url).send(request, stream=True)

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
        """Close all connections; requests that run in other tasks end with `ClientClosed`."""
        for client in self.connections.close():
            await client.aclose()


Transport = BlockingTransport | AwaitedTransport
