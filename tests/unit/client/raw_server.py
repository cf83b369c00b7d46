"""A server on loopback that sends bytes as they are, right or wrong."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True)
class Raw:
    """The bytes of one response.

    Attributes:
        data: all that is sent, from the status line on.
        stalls: whether the connection then stays open in silence.
    """

    data: bytes
    stalls: bool = False


class RawServer:
    """Sends what `answer` gives for each request's head, and closes the connection."""

    def __init__(self) -> None:
        self.answer: Callable[[bytes], Raw] = lambda _: Raw(b"")
        self.heads: list[bytes] = []
        self.url = ""
        self.released = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"(?i)content-length: *(\d+)", head)
            await reader.readexactly(int(found[1]) if found else 0)
            self.heads.append(head)
            raw = self.answer(head)
            writer.write(raw.data)
            await writer.drain()
            if raw.stalls:
                await self.released.wait()
        writer.close()


@contextmanager
def raw_serving() -> Iterator[RawServer]:
    """The server, until the end of the block."""
    loop = asyncio.new_event_loop()
    server = RawServer()

    async def start() -> asyncio.Server:
        started = await asyncio.start_server(server.serve, "127.0.0.1", 0, limit=2**20)
        server.url = f"http://127.0.0.1:{started.sockets[0].getsockname()[1]}"
        return started

    async def stop(started: asyncio.Server) -> None:
        server.released.set()
        started.close()
        if others := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(others)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    started = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(stop(started), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
