"""One request over ASGI: its upload, its work, and its reply."""

import asyncio
import contextlib

from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive, Send

from videovisual.errors import Overloaded
from videovisual.server.asgi.upload import Uploads
from videovisual.server.reply import JOB_HEADER
from videovisual.server.request import Request as IncomingRequest
from videovisual.server.request_state import RequestState
from videovisual.server.service import Service


class Conversation:
    """A request and its reply. The status is the final one, except of a stream.

    Args:
        service: the model.
        receive, send: the server's.
    """

    def __init__(self, service: Service, receive: Receive, send: Send) -> None:
        self._service = service
        self._receive = receive
        self._send = send
        self._state: RequestState | None = None
        self._stopping: Overloaded | None = None
        self._left = False
        self._changed = asyncio.Event()

    async def run(self, request: Request, incoming: IncomingRequest, uploads: Uploads) -> None:
        """Read the body, have the service answer, and send the reply.

        Args:
            request: whose body is read.
            incoming: the same request, without its parts.
            uploads: counts the body.

        Raises:
            VideoVisualError: as `Upload.parts`.
        """
        loop = asyncio.get_running_loop()

        def tell() -> None:
            # A loop that is closed has no client left.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._changed.set)

        with uploads.one() as upload:
            try:
                parts = await upload.parts(request)
            except ClientDisconnect:
                return
            incoming = incoming.with_parts(parts)
            upload.hold(incoming.json_memory)
            # Reading a large body of JSON takes long.
            state = await asyncio.to_thread(self._service.submit, incoming, None, tell)
        # What the service needs of the body, it counts itself.
        del parts, incoming
        self._state = state
        if self._stopping is not None:
            state.cancel(self._stopping)
        watch = asyncio.ensure_future(self._watch())
        try:
            await self._reply(state)
        finally:
            watch.cancel()
            if state.reply is None:
                state.cancel()

    def stop(self, why: Overloaded) -> None:
        """End the work, and tell the client why."""
        self._stopping = why
        if self._state is not None:
            self._state.cancel(why)

    async def _reply(self, state: RequestState) -> None:
        while state.reply is None and not state.streaming:
            if not await self._news():
                return
        await self._send(_head(state))
        while True:
            part = state.take_lines()
            ended = state.is_sent
            if part or ended:
                await self._send(
                    {"type": "http.response.body", "body": part, "more_body": not ended}
                )
            if ended or (not part and not await self._news()):
                return

    async def _news(self) -> bool:
        """Wait for something to send; False where nobody is left to send it to."""
        await self._changed.wait()
        self._changed.clear()
        return not self._left

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            """Nothing else comes after the body."""
        self._left = True
        self._changed.set()


def _head(state: RequestState) -> Message:
    """Status and headers; of a stream, which may end with an error, 200."""
    headers = {JOB_HEADER: state.number, "Content-Type": state.content_type}
    status = 200
    if state.reply is not None and not state.streaming:
        status = state.reply.status
        headers |= {"Content-Type": state.reply.content_type, **state.reply.headers}
        headers["Content-Length"] = str(len(state.reply.body))
    return {
        "type": "http.response.start",
        "status": status,
        "headers": [
            (name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()
        ],
    }
