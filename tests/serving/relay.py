"""A gateway that cuts connections."""

from __future__ import annotations

import asyncio
import threading
from types import TracebackType
from urllib.parse import urlsplit

PIECE = 2**16


class Relay:
    """Passes bytes on to a server and back, inside of the block.

    Args:
        url: the server's.
        cut_s: after how long a connection is cut.
        lose: of how many connections one loses the first answer: it is cut when that comes.

    Attributes:
        url: the relay's own.
        cut: how many connections were cut because of their age.
        lost: how many lost an answer.
    """

    def __init__(self, url: str, cut_s: float, lose: int) -> None:
        place = urlsplit(url)
        self._server = place.hostname, place.port
        self._cut_s = cut_s
        self._lose = lose
        self._connections = self.cut = self.lost = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Relay:
        self._thread.start()
        listening = asyncio.start_server(self._connect, "127.0.0.1", 0)
        self._listener = asyncio.run_coroutine_threadsafe(listening, self._loop).result()
        port = self._listener.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._listener.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loses = self._connections % self._lose == 0
        self._connections += 1
        there, away = await asyncio.open_connection(*self._server)
        up = asyncio.create_task(self._pass_on(reader, away))
        down = asyncio.create_task(self._pass_on(there, writer, loses))
        try:
            _, unfinished = await asyncio.wait(
                {up, down}, timeout=self._cut_s, return_when=asyncio.FIRST_COMPLETED
            )
            self.cut += len(unfinished) == 2
        finally:
            for task in (up, down):
                task.cancel()
            writer.transport.abort()
            away.transport.abort()

    async def _pass_on(
        self, source: asyncio.StreamReader, goal: asyncio.StreamWriter, loses: bool = False
    ) -> None:
        while data := await source.read(PIECE):
            if loses:
                self.lost += 1
                return
            goal.write(data)
            await goal.drain()
