"""The HTTP exchange of both clients: requests, retries, token renewal and errors."""

import math
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from videovisual.names import MODELS, own_models
from videovisual.protocol import KEY_HEADER, Answer
from videovisual.utils.suggest import did_you_mean, nearest
from videovisual.utils.text import shown
from videovisual.version import __version__
from videovisual_client import upload
from videovisual_client.errors import (
    AuthenticationFailed,
    ClientClosed,
    ConnectionFailed,
    InvalidRequest,
    Overloaded,
    TimedOut,
    UnknownModel,
    VideoVisualError,
    from_response,
    without_key,
)
from videovisual_client.job import AsyncJob
from videovisual_client.request import ClipRequest
from videovisual_client.token import Token
from videovisual_client.transport import FAILURES, Transport, interrupt
from videovisual_client.wire import MAX_ANSWER_BYTES, MAX_ERROR_BYTES, MIB, parse_answer, parse_json

T = TypeVar("T")

DEFAULT_URL = "http://127.0.0.1:8080"
RETRIES = 3
RENEWALS = 3
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
SLOWEST = 1024
"""Bytes a second: a slower response has stalled."""
MARGIN_S = 10.0
"""Added to the server's deadline, so that the server reports it before the client times out."""


@dataclass(frozen=True)
class Timeouts:
    """How long each phase of a request may take, in seconds; None for no limit.

    Attributes:
        connect: until the connection is open.
        write: until the next piece of the upload is sent.
        read: until the next piece of the response arrives. The server sends nothing while it works
            on a request without progress.
        pool: until one of the client's connections is free.
    """

    connect: float | None = 10.0
    write: float | None = 60.0
    read: float | None = 900.0
    pool: float | None = 900.0

    def for_request(self, deadline_s: float | None = None) -> dict[str, float | None]:
        """The timeouts as httpx takes them, with `read` raised to a later deadline."""
        read = self.read
        if read is not None and deadline_s is not None:
            read = max(read, deadline_s + MARGIN_S)
        return {"connect": self.connect, "write": self.write, "read": read, "pool": self.pool}


class Exchange:
    """Sends the requests of one client.

    Only a request that could not connect or that found the server full is sent again, `retries`
    times. Any other may have begun, and would be computed twice.
    """

    def __init__(
        self, url: str, token: Token, timeouts: Timeouts | None, retries: int, transport: Transport
    ) -> None:
        self.url = _checked(url)
        self.token = token
        self.transport = transport
        self._timeouts = timeouts or Timeouts()
        self._retries = retries
        # Now, so that wrong settings of the environment fail before a clip is read.
        transport.connections.client(httpx.URL(self.url))

    async def answer(self, request: ClipRequest) -> Answer:
        """The whole answer.

        Raises:
            VideoVisualError: any of `videovisual_client.errors`.
        """
        read = partial(self._read, most=MAX_ANSWER_BYTES, deadline_s=request.timeout_s)
        body = await self._send_clip(request, read)
        error = from_response(httpx.codes.OK, body)
        if error is not None:
            raise error
        return parse_answer(parse_json(body))

    async def open(self, request: ClipRequest) -> AsyncJob:
        """A job that reads the answer's events as they come.

        Raises:
            VideoVisualError: any of `videovisual_client.errors`.
        """
        response = await self._send_clip(request, _unread)
        cancel = partial(self._cancel, request.model)
        chunks = self._chunks(response, request.timeout_s)
        return await AsyncJob(request.clip, chunks, cancel, partial(interrupt, response)).begin()

    async def _cancel(self, model: str, job: str) -> bool:
        """Whether the server knew the request and cancels it."""
        return await self._stop(self._request(path_of("predictions", model), json={"cancel": job}))

    async def _stop(self, request: httpx.Request) -> bool:
        try:
            response = await self.transport.send(request)
            body = await self._read(response, MAX_ERROR_BYTES)
            if response.status_code == httpx.codes.NO_CONTENT:
                return True
            told = parse_json(body)
        except (VideoVisualError, *FAILURES):
            return False
        return (
            response.status_code == 200 and isinstance(told, dict) and told.get("cancelled") is True
        )

    async def _send_clip(
        self,
        request: ClipRequest,
        read: Callable[[httpx.Response], Awaitable[T]],
        *,
        key: str | None = None,
    ) -> T:
        """What is read of the response to a clip, whose status is a success.

        Args:
            request: the clip and its options.
            read: gets the response, its body unread.
            key: by which the server knows a request that is sent again.
        """
        parts = await self.transport.call(partial(upload.parts, request.clip))

        async def once() -> T:
            path = path_of(request.route, request.model)
            sending = self._request(path, request.timeout_s, data=request.fields, files=parts)
            if key is not None:
                sending.headers[KEY_HEADER] = key
            response = await self.transport.send(sending)
            if response.status_code < 300:
                return await read(response)
            body = await self._read(response, MAX_ERROR_BYTES, request.timeout_s)
            error = from_response(response.status_code, body, response.headers)
            assert error is not None
            raise error

        try:
            return await self._persist(once, safe=key is not None, deadline_s=request.timeout_s)
        except UnknownModel as error:
            raise self._with_nearest(error, request.model) from None

    async def _persist(
        self,
        once: Callable[[], Awaitable[T]],
        *,
        safe: bool = False,
        deadline_s: float | None = None,
    ) -> T:
        """What an exchange gives, which is repeated where that can't compute anything twice.

        Args:
            once: the exchange.
            safe: whether it may be repeated, although the server may have had the request.
            deadline_s: seconds after which it is not repeated.
        """
        began = time.monotonic()
        renewals = failures = 0
        while True:
            used = self.token.value
            try:
                return await once()
            except VideoVisualError as raised:
                error = raised if used else without_key(raised)
                refused = isinstance(error, Overloaded)
            except FAILURES as failure:
                error = self._connection_error(failure)
                refused = isinstance(failure, httpx.ConnectError | httpx.ConnectTimeout)
            again = refused or (safe and isinstance(error, ConnectionFailed))
            if isinstance(error, AuthenticationFailed) and renewals < RENEWALS:
                renewals += 1
                if await self._renew(used):
                    continue
            pause = _pause(failures, error)
            failures += 1
            end = time.monotonic() - began + pause
            late = deadline_s is not None and end > deadline_s
            if not again or failures > self._retries or late or pause > LONGEST_PAUSE_S:
                raise error
            await self.transport.sleep(pause)

    async def _chunks(
        self, response: httpx.Response, deadline_s: float | None = None
    ) -> AsyncGenerator[bytes, None]:
        """The body. It has to end by the server's deadline, with time for a slow connection."""
        began, size = time.monotonic(), 0
        try:
            async with aclosing(self.transport.chunks(response)) as chunks:
                async for chunk in chunks:
                    yield chunk
                    size += len(chunk)
                    allowed = math.inf if deadline_s is None else deadline_s + MARGIN_S
                    if time.monotonic() - began > allowed + size / SLOWEST:
                        raise httpx.ReadTimeout("too slow", request=response.request)
        except FAILURES as failure:
            raise self._connection_error(failure) from None

    async def _read(
        self, response: httpx.Response, most: int, deadline_s: float | None = None
    ) -> bytes:
        """The whole body, of at most `most` bytes."""
        chunks, size = [], 0
        async with aclosing(self._chunks(response, deadline_s)) as body:
            async for chunk in body:
                chunks.append(chunk)
                size += len(chunk)
                if size > most:
                    raise ConnectionFailed(
                        f"{self.url} sent more than {most // MIB} MiB, the most that this client "
                        "reads. Ask for fewer maps at once, or check any proxy before the server.",
                        url=self.url,
                    )
        return b"".join(chunks)

    async def _renew(self, refused: str) -> bool:
        """Whether there is a token now that differs from the refused one."""
        # Another thread, or TorchServe itself, may have renewed the token already.
        if self.token.value != refused or self.token.reread():
            return True
        request = self.token.renewal()
        if request is None:
            return False
        request.extensions = {"timeout": self._timeouts.for_request()}
        try:
            response = await self.transport.send(request)
            await self._read(response, MAX_ERROR_BYTES)
        except (ConnectionFailed, *FAILURES):
            return False
        # TorchServe writes the new token into its key file; its response is empty.
        return response.status_code == 200 and self.token.reread()

    def _request(
        self,
        path: str,
        deadline_s: float | None = None,
        *,
        verb: str = "POST",
        read_s: float | None = None,
        **content: Any,
    ) -> httpx.Request:
        """A request, whose read timeout is at most `read_s`, or at least the server's deadline."""
        headers = {"User-Agent": f"videovisual/{__version__}"}
        if self.token.value:
            headers["Authorization"] = f"Bearer {self.token.value}"
        timeouts = self._timeouts.for_request(deadline_s)
        if read_s is not None:
            timeouts["read"] = min(read_s, timeouts["read"] or read_s)
        url, extensions = f"{self.url}/{path}", {"timeout": timeouts}
        try:
            return httpx.Request(verb, url, headers=headers, extensions=extensions, **content)
        except UnicodeEncodeError as error:
            raise InvalidRequest(
                f"An option has a character that UTF-8 lacks: {error.reason}. Leave it out."
            ) from None

    def _connection_error(self, failure: Exception) -> VideoVisualError:
        if self.transport.connections.closed:
            return ClientClosed("The client was closed while the request was running.")
        if isinstance(failure, httpx.TimeoutException):
            phase = type(failure).__name__.removesuffix("Timeout").lower()
            allowed = failure.request.extensions["timeout"][phase]
            own = allowed == getattr(self._timeouts, phase)
            advice = f"Raise it with Timeouts({phase}=…), or check" if own else "Check"
            return TimedOut(
                f"{self.url} took longer than the {phase} timeout of {allowed} s. {advice} whether "
                "the server is healthy.",
                url=self.url,
                phase=phase,
            )
        return ConnectionFailed(
            f"{self.url} did not answer: {shown(failure, 200)}. Is the server running, and is this "
            "its inference address?",
            url=self.url,
        )

    def _with_nearest(self, error: VideoVisualError, model: str) -> VideoVisualError:
        if not isinstance(error, UnknownModel):
            return error
        known = [*MODELS, *own_models()]
        if model in known:
            return UnknownModel(
                f"{self.url} doesn't serve {model}. Serve it: `videovisual serve {model}`.",
                model=model,
            )
        return UnknownModel(
            f"{self.url} serves no model {shown(model)!r}.{did_you_mean(model, known)} "
            "`videovisual models` lists all, `videovisual serve NAME` serves one.",
            model=shown(model),
            nearest=nearest(model, known),
        )


async def _unread(response: httpx.Response) -> httpx.Response:
    return response


def path_of(*names: str) -> str:
    """An address's path, with all that isn't plain in the names escaped."""
    return "/".join(quote(name, safe="", errors="replace") for name in names)


def _checked(url: str) -> str:
    """The address without the last slash.

    Raises:
        InvalidRequest: this is no address.
    """
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, TypeError, ValueError):
        parsed = httpx.URL("")
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidRequest(
            f"{str(url)[:100]!r} is no address of a server. Give one like {DEFAULT_URL}."
        )
    return str(url).rstrip("/")


def _pause(failures: int, error: VideoVisualError) -> float:
    """Seconds until the next attempt: doubling, and random so that clients don't retry at once."""
    pause = FIRST_PAUSE_S * float(2**failures) * random.uniform(0.75, 1.25)
    return max(pause, error.retry_after) if isinstance(error, Overloaded) else pause
