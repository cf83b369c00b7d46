"""What is said to a server and when it is said again, apart from who says it.

A conversation is a generator: it yields a `Step` and is sent what came of it. `Client` takes the
steps with blocking calls, `AsyncClient` with awaited ones, a test with none at all; retries, token
renewal and the reading of errors are written once.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from videovisual.names import MODELS
from videovisual.protocol import Answer
from videovisual.utils.suggest import nearest
from videovisual.version import __version__
from videovisual_client.errors import (
    AuthenticationFailed,
    ConnectionFailed,
    Overloaded,
    TimedOut,
    UnknownModel,
    VideoVisualError,
    from_response,
)
from videovisual_client.request import ClipRequest
from videovisual_client.token import Token
from videovisual_client.upload import Part

RENEWALS = 3
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
MARGIN_S = 10.0
"""Beyond the server's own deadline, so that it is the server that tells of it."""


@dataclass(frozen=True)
class Send:
    """Send a request; the response comes back with its body unread."""

    request: httpx.Request


@dataclass(frozen=True)
class Read:
    """Read a response's body to its end and close it; the bytes come back."""

    response: httpx.Response


@dataclass(frozen=True)
class Pause:
    """Wait."""

    seconds: float


Step = Send | Read | Pause
T = TypeVar("T")
Steps = Generator[Step, Any, T]


@dataclass(frozen=True)
class Timeouts:
    """How long each phase of a request may take, in seconds; None for no limit.

    Attributes:
        connect: until the connection stands.
        write: until the next piece of the upload has gone.
        read: until the next piece of the answer has come; the server is silent while it works on
            a request without progress.
        pool: until a connection of the client's own is free.
    """

    connect: float | None = 10.0
    write: float | None = 60.0
    read: float | None = 900.0
    pool: float | None = 900.0

    def for_call(self, deadline_s: float | None = None) -> dict[str, float | None]:
        """As httpx takes them; a server's deadline that is later than `read` prolongs it."""
        read = self.read
        if read is not None and deadline_s is not None:
            read = max(read, deadline_s + MARGIN_S)
        return {"connect": self.connect, "write": self.write, "read": read, "pool": self.pool}


class Exchange:
    """The part of both clients that knows what to say.

    Args:
        url: the inference address.
        token: see `Token`.
        timeouts: of each phase.
        retries: how often a request is sent again when the connection could not be made or the
            server was full. Nothing else is repeated: a request that may have been begun would be
            computed twice.
    """

    def __init__(self, url: str, token: Token, timeouts: Timeouts, retries: int) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._timeouts = timeouts
        self._retries = retries

    def open(self, call: ClipRequest, parts: list[Part]) -> Steps[httpx.Response]:
        """A response that has begun well, its body unread.

        Raises:
            VideoVisualError: any of `videovisual_client.errors`.
        """
        began = time.monotonic()
        renewals = failures = 0
        while True:
            used, unsent = self.token.value, False
            try:
                response: httpx.Response = yield Send(self._request(call, parts))
                if response.status_code < 400:
                    return response
                body: bytes = yield Read(response)
                problem = _problem(response, body)
            except httpx.RequestError as error:
                problem = self.broken(error)
                problem.__cause__ = error
                unsent = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout)
            if isinstance(problem, AuthenticationFailed) and renewals < RENEWALS:
                renewals += 1
                if (yield from self._renew(used)):
                    continue
            if not unsent and not isinstance(problem, Overloaded):
                raise self._explained(problem, call.model)
            pause = _pause(failures, problem)
            failures += 1
            late = call.timeout_s is not None and (
                time.monotonic() - began + pause > call.timeout_s
            )
            if failures > self._retries or late or pause > LONGEST_PAUSE_S:
                raise problem
            yield Pause(pause)

    def ask(self, call: ClipRequest, parts: list[Part]) -> Steps[Answer]:
        """The whole answer at once.

        Raises:
            VideoVisualError: any of `videovisual_client.errors`.
        """
        response = yield from self.open(call, parts)
        try:
            body: bytes = yield Read(response)
        except httpx.RequestError as error:
            raise self.broken(error) from error
        problem = from_response(response.status_code, body)
        if problem is not None:
            raise problem
        try:
            return Answer.model_validate_json(body)
        except ValidationError:
            raise ConnectionFailed(
                f"{self.url} answered something else than a VideoVisual server does "
                f"({len(body)} bytes). Is this its inference address?",
                url=self.url,
            ) from None

    def cancel(self, model: str, job: str) -> Steps[bool]:
        """Whether the server has given the job up."""
        request = httpx.Request(
            "POST",
            self._address("predictions", model),
            json={"cancel": job},
            headers=self._headers(),
            extensions={"timeout": self._timeouts.for_call()},
        )
        try:
            response: httpx.Response = yield Send(request)
            body: bytes = yield Read(response)
        except httpx.RequestError:
            return False
        try:
            return response.status_code == 200 and bool(json.loads(body)["cancelled"])
        except (ValueError, KeyError, TypeError):
            return False

    def broken(self, error: httpx.RequestError) -> ConnectionFailed:
        """What a failure of the connection is to the caller."""
        if isinstance(error, httpx.TimeoutException):
            phase = type(error).__name__.removesuffix("Timeout").lower()
            return TimedOut(
                f"{self.url} took longer than the {phase} timeout of "
                f"{getattr(self._timeouts, phase, None)} s. Raise it with Timeouts({phase}=…), or "
                "look at whether the server is well.",
                url=self.url,
                phase=phase,
            )
        return ConnectionFailed(
            f"{self.url} did not answer: {error}. Is the server running, and is this its "
            "inference address?",
            url=self.url,
        )

    def _request(self, call: ClipRequest, parts: list[Part]) -> httpx.Request:
        return httpx.Request(
            "POST",
            self._address(call.route, call.model),
            data=call.fields,
            files=parts,
            headers=self._headers(),
            extensions={"timeout": self._timeouts.for_call(call.timeout_s)},
        )

    def _address(self, route: str, model: str) -> str:
        return f"{self.url}/{route}/{quote(model, safe='')}"

    def _headers(self) -> dict[str, str]:
        headers = {"User-Agent": f"videovisual/{__version__}"}
        if self.token.value:
            headers["Authorization"] = f"Bearer {self.token.value}"
        return headers

    def _renew(self, refused: str) -> Steps[bool]:
        """Whether there is another token now than the one that was refused."""
        # Another thread, or TorchServe itself, may have seen to it already.
        if self.token.value != refused or self.token.reread():
            return True
        renewal = self.token.renewal()
        if renewal is None:
            return False
        request = httpx.Request(
            "GET",
            f"{renewal.url}/token?type=inference",
            headers={"Authorization": f"Bearer {renewal.api_key}"},
            extensions={"timeout": self._timeouts.for_call()},
        )
        try:
            response: httpx.Response = yield Send(request)
            yield Read(response)
        except httpx.RequestError:
            return False
        # TorchServe answers with nothing, and writes the new token into its key file.
        return response.status_code == 200 and self.token.reread()

    def _explained(self, problem: VideoVisualError, model: str) -> VideoVisualError:
        if not isinstance(problem, UnknownModel):
            return problem
        near = nearest(model, MODELS)
        return UnknownModel(
            f"{self.url} serves no model {model!r}. Nearest known: {', '.join(near) or 'none'}. "
            "`videovisual models` lists all, `videovisual serve NAME` serves one.",
            model=model,
            nearest=near,
        )


def speaker(
    url: str,
    token: str | None,
    key_file: str | os.PathLike[str] | None,
    management_url: str | None,
    timeouts: Timeouts | None,
    retries: int,
) -> Exchange:
    """What `Client` and `AsyncClient` make of their arguments."""
    return Exchange(url, Token(token, key_file, management_url), timeouts or Timeouts(), retries)


def _problem(response: httpx.Response, body: bytes) -> VideoVisualError:
    problem = from_response(response.status_code, body, response.headers)
    assert problem is not None
    return problem


def _pause(failures: int, problem: VideoVisualError) -> float:
    """Doubling, and scattered so that refused clients don't come back all at once."""
    pause = FIRST_PAUSE_S * float(2**failures) * random.uniform(0.75, 1.25)
    return max(pause, problem.retry_after) if isinstance(problem, Overloaded) else pause
