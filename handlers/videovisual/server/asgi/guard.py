"""What stands before every route: the key, long headers, and bodies that nobody reads."""

import asyncio
import contextlib
import time
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from videovisual.errors import AuthenticationFailed, TooLarge
from videovisual.server.asgi.keys import ANY, INFERENCE, KeyFile
from videovisual.server.asgi.refusal import refusal

OPEN = ("/", "/ping", "/docs", "/openapi.json", "/v2/health/live", "/v2/health/ready")
"""Routes without a key."""

ABOUT = ("/models", "/metrics")
"""Routes that the management key opens too."""

MAX_HEAD_BYTES = 64 * 1024
"""The most bytes of all headers. h11 checks this only where they come in several pieces."""

LINGER_S = 2.0
LINGER_BYTES = 64 * 2**20
"""How long, and how much, is still read from a client that was refused: on a connection that is
closed before, most clients don't see the answer."""


class Guard:
    """Refuses requests without a key, or with long headers.

    Args:
        app: the routes.
        keys: that are let in; None lets everybody in.
    """

    def __init__(self, app: ASGIApp, keys: KeyFile | None) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        app = self._app
        try:
            _check_headers(scope)
            self._check_key(scope)
        except AuthenticationFailed as error:
            app = refusal(error, path=scope["path"])
        except TooLarge as error:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            app = refusal(error, status, path=scope["path"])
        await app(scope, exchange.receive, exchange.send)

    def _check_key(self, scope: Scope) -> None:
        path = scope["path"]
        if self._keys is None or path in OPEN:
            return
        about = any(path == route or path.startswith(f"{route}/") for route in ABOUT)
        self._keys.check(Headers(scope=scope).get("authorization"), ANY if about else INFERENCE)


def _check_headers(scope: Scope) -> None:
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size > MAX_HEAD_BYTES:
        raise TooLarge(
            f"The headers have {size} bytes, over the {MAX_HEAD_BYTES} that are allowed. Send "
            "options as fields of a form.",
            allowed=MAX_HEAD_BYTES,
        )


class _Exchange:
    """Reads on, and then closes the connection, where an answer comes before the body's end."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self._receive = receive
        self._send = send
        no_length = headers.get("content-length", "0") == "0"
        self._read = no_length and "transfer-encoding" not in headers
        self._sends = "expect" not in headers

    async def receive(self) -> Message:
        message = await self._receive()
        self._read = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        starts = message["type"] == "http.response.start"
        if starts and not self._read:
            MutableHeaders(scope=message)["Connection"] = "close"
        if not (starts or self._read or message.get("more_body", False)):
            await self._send({**message, "more_body": True})
            await self._linger()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def _linger(self) -> None:
        until, size = time.monotonic() + LINGER_S, 0
        with contextlib.suppress(asyncio.TimeoutError):
            while self._sends and not self._read and size < LINGER_BYTES:
                message = await asyncio.wait_for(self.receive(), until - time.monotonic())
                size += len(message.get("body", b""))
