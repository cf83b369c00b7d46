"""A connection that sends any bytes, keeps what comes, and can leave at any time."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field

LARGEST = 1 << 28
LONGEST_HEAD = 1 << 20
BODILESS = (b"HEAD ", b"CONNECT ")
"""The methods whose answers have no body, whatever their headers say."""

UNSPOKEN = 0
"""The status of a connection that was closed without an answer."""


@dataclass(frozen=True)
class Received:
    """An answer as it came.

    Attributes:
        status: the HTTP status; UNSPOKEN if none came.
        headers: by lower-case name.
        body: without the chunks' sizes.
        whole: whether the answer came to its end.
        seconds: from the last byte sent to the last byte received.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    whole: bool = False
    seconds: float = 0.0

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")


@dataclass(frozen=True)
class Leaving:
    """When and how a client leaves.

    Attributes:
        sent: the share of the request that is sent before.
        stay_s: how long it stays after the last byte.
        read: how many bytes of the answer it takes, at most.
        how: `close`, `reset`, or `half` (it closes its own direction only).
    """

    sent: float = 1.0
    stay_s: float = 0.0
    read: int = 0
    how: str = "close"


class _Protocol(asyncio.StreamReaderProtocol):
    """Keeps what has arrived when the connection is reset after it: TorchServe resets connections
    behind its refusals."""

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(None)


class Connection:
    """One connection to a server, opened when it is needed."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def exchange(self, sent: bytes, *, pieces: int = 1, pause_s: float = 0.0) -> Received:
        """Send a request, in pieces with pauses between them, and receive the answer.

        An idle connection that the server has closed meanwhile is opened again.
        """
        fresh = self._writer is None
        received = await self._try(sent, pieces, pause_s)
        if received.status == UNSPOKEN and not fresh:
            received = await self._try(sent, pieces, pause_s)
        if not received.whole or received.headers.get("connection", "").lower() == "close":
            self.close()
        return received

    async def leave(self, sent: bytes, leaving: Leaving) -> bytes:
        """Send some of a request, and leave; what came until then."""
        self.close()
        reader, writer = await self._open()
        taken = b""
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            writer.write(sent[: round(len(sent) * leaving.sent)])
            await writer.drain()
            if leaving.how == "half":
                writer.write_eof()
            if leaving.read:
                taken = await asyncio.wait_for(reader.read(leaving.read), leaving.stay_s + 0.05)
            else:
                await asyncio.sleep(leaving.stay_s)
        if leaving.how == "reset":
            _reset(writer)
        self.close()
        return taken

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._reader is None or self._writer is None:
            loop = asyncio.get_running_loop()
            reader = asyncio.StreamReader(LONGEST_HEAD)
            transport, protocol = await loop.create_connection(
                lambda: _Protocol(reader), *self._address
            )
            self._reader = reader
            self._writer = asyncio.StreamWriter(transport, protocol, reader, loop)
        return self._reader, self._writer

    async def _try(self, sent: bytes, pieces: int, pause_s: float) -> Received:
        clock = asyncio.get_running_loop().time
        reader, writer = await self._open()
        # The server may answer, and close, before it has read everything.
        with contextlib.suppress(OSError):
            step = max(1, -(-len(sent) // pieces))
            for at in range(0, len(sent), step):
                writer.write(sent[at : at + step])
                await writer.drain()
                if pause_s and at + step < len(sent):
                    await asyncio.sleep(pause_s)
        began = clock()
        try:
            received = await _receive(reader, head_only=sent.startswith(BODILESS))
        except (
            *(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError),
            *(ValueError, IndexError),
        ):
            received = Received(UNSPOKEN)
        if received.status == UNSPOKEN:
            self.close()
        return Received(
            received.status, received.headers, received.body, received.whole, clock() - began
        )


async def _receive(reader: asyncio.StreamReader, *, head_only: bool) -> Received:
    status = 100
    headers: dict[str, str] = {}
    while status == 100:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        status = int(first.split(" ")[1])
        pairs = (line.partition(":") for line in lines if line)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = b""
    whole = False
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        if head_only:
            whole = True
        elif headers.get("transfer-encoding") == "chunked":
            body, whole = await _chunks(reader)
        elif "content-length" in headers:
            body = await reader.readexactly(int(headers["content-length"]))
            whole = True
        else:
            body = await reader.read(LARGEST)
            whole = True
            headers["connection"] = "close"
    return Received(status, headers, body, whole)


async def _chunks(reader: asyncio.StreamReader) -> tuple[bytes, bool]:
    pieces = []
    try:
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            pieces.append(await reader.readexactly(size))
            await reader.readexactly(2)
        await reader.readuntil(b"\r\n")
    except (OSError, asyncio.IncompleteReadError, ValueError):
        return b"".join(pieces), False
    return b"".join(pieces), True


def _reset(writer: asyncio.StreamWriter) -> None:
    """Have the connection end with a reset instead of a proper end."""
    raw: socket.socket | None = writer.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
