"""Reads a request's body, within the limits, and sorts it into parts."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from starlette.requests import Request

from videovisual.errors import InvalidRequest, Overloaded, TooLarge, UploadStalled
from videovisual.server.asgi.form import Form, urlencoded
from videovisual.server.settings import Settings

STALLED_S = 60.0
"""How long the next piece of a body may take to arrive."""

OPTIONS_BYTES = 2**20
"""How much of a body may be something else than the clip."""

OTHER_PARTS = 1000
"""How many parts of a form may be something else than frames."""


class Uploads:
    """Counts the bytes of all bodies that are being read."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._held = 0
        # In base64 four letters are three bytes.
        self.most = settings.limits.max_bytes * 4 // 3 + OPTIONS_BYTES
        self.max_parts = settings.limits.max_frames + OTHER_PARTS

    @contextmanager
    def one(self) -> Iterator["Upload"]:
        """One body; its bytes are counted until the end of the block."""
        upload = Upload(self)
        try:
            yield upload
        finally:
            self._held -= upload.size

    def hold(self, size: int) -> None:
        """Count more bytes.

        Raises:
            Overloaded: there is no room for them.
        """
        limits = self._settings
        if self._held + size > limits.max_bytes:
            raise Overloaded(
                f"The bodies that are being sent hold {self._held} bytes, of {limits.max_bytes} "
                f"that are allowed. Try again in {limits.retry_after_s} s.",
                retry_after_s=limits.retry_after_s,
                reason="memory",
            )
        self._held += size


class Upload:
    """One body."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self.size = 0

    async def parts(self, request: Request) -> Mapping[str, Any]:
        """The parts by name, or `body`.

        Raises:
            InvalidRequest: the body is not what its Content-Type says.
            TooLarge: it is over the limit.
            Overloaded: there is no room for it.
            UploadStalled: its next piece doesn't come.
            ClientDisconnect: the client has left.
        """
        kind = request.headers.get("content-type", "")
        self._check(_declared(request))
        if kind.partition(";")[0].strip().lower() == "multipart/form-data":
            form = Form(kind, self._uploads.max_parts)
            async for piece in self._pieces(request):
                form.write(piece)
            return form.parts()
        body = b"".join([piece async for piece in self._pieces(request)])
        if "x-www-form-urlencoded" in kind.lower():
            return urlencoded(body) or {"body": body}
        return {"body": body}

    async def _pieces(self, request: Request) -> AsyncIterator[bytes]:
        pieces = request.stream()
        while True:
            try:
                piece = await asyncio.wait_for(anext(pieces), STALLED_S)
            except StopAsyncIteration:
                return
            except asyncio.TimeoutError:
                raise UploadStalled(
                    f"Nothing of the body has come for {STALLED_S:.0f} s. Send the request again."
                ) from None
            self._check(self.size + len(piece))
            self.hold(len(piece))
            yield piece

    def hold(self, size: int) -> None:
        """Count more bytes that the body takes.

        Raises:
            Overloaded: there is no room for them.
        """
        self._uploads.hold(size)
        self.size += size

    def _check(self, size: int) -> None:
        if size > self._uploads.most:
            raise TooLarge(
                f"The body is over the {self._uploads.most} bytes that are allowed. Send a shorter "
                "or smaller clip.",
                allowed=self._uploads.most,
            )


def _declared(request: Request) -> int:
    """The body's length, if its header says it; h11 has checked that it is a number."""
    length = request.headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit():
        raise InvalidRequest("Content-Length is no number.")
    return int(length)
