"""Everything that a client raises on purpose; the server's errors arrive as the classes they are.

    VideoVisualError
    ├── ConnectionFailed          the server cannot be reached, or went away before it had answered
    │   └── TimedOut              a phase took longer than its timeout; `.phase` says which
    ├── AuthenticationFailed      the token is missing, wrong or expired, and could not be renewed
    ├── Overloaded                no room; `.retry_after` seconds, and the retries are used up
    ├── InvalidRequest            there is no clip, or it cannot be read
    │   └── MalformedClip
    ├── UnsupportedMedia          not a video
    ├── TooLarge
    ├── InvalidParameter          a value out of its range; `.detail` says what is allowed
    │   ├── ClipTooShort
    │   ├── InvalidTarget         the model has no such class
    │   ├── UnknownMethod
    │   └── UnknownOutput
    ├── UnknownModel              the server does not serve it; `.detail["nearest"]`
    ├── MissingExtra              an optional package is absent, there or here
    ├── DeadlineExceeded          `timeout_s` passed
    ├── Cancelled                 `job.cancel()`
    └── ServerFailed              a fault of the server's own; its log says more

Each has `message` for a person, `code` and `detail` for a program. All but the first two and the
last are `videovisual.errors`, so that code which catches them works with and without a server.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from videovisual.errors import (
    Cancelled,
    ClipTooShort,
    DeadlineExceeded,
    InvalidParameter,
    InvalidRequest,
    InvalidTarget,
    MalformedClip,
    MissingExtra,
    Overloaded,
    TooLarge,
    UnknownMethod,
    UnknownModel,
    UnknownOutput,
    UnsupportedMedia,
    VideoVisualError,
)

__all__ = [
    "AuthenticationFailed",
    "Cancelled",
    "ClipTooShort",
    "ConnectionFailed",
    "DeadlineExceeded",
    "InvalidParameter",
    "InvalidRequest",
    "InvalidTarget",
    "MalformedClip",
    "MissingExtra",
    "Overloaded",
    "ServerFailed",
    "TimedOut",
    "TooLarge",
    "UnknownMethod",
    "UnknownModel",
    "UnknownOutput",
    "UnsupportedMedia",
    "VideoVisualError",
]

BUSY_S = 2
"""What a client is told to wait where TorchServe itself is full and says nothing."""


class ConnectionFailed(VideoVisualError):
    """The server cannot be reached, or went away before it had answered."""

    code = "connection_failed"


class TimedOut(ConnectionFailed):
    """One phase of a request took longer than its timeout."""

    code = "timed_out"

    @property
    def phase(self) -> str:
        """`connect`, `write`, `read` or `pool`."""
        return str(self.detail["phase"])


class AuthenticationFailed(VideoVisualError):
    """The token is missing, wrong or expired."""

    code = "authentication_failed"
    status: ClassVar[int] = 401


class ServerFailed(VideoVisualError):
    """The server failed on the request, for no fault of the request's."""

    code = "server_failed"


def _tree(root: type[VideoVisualError]) -> dict[str, type[VideoVisualError]]:
    known = {root.code: root}
    for branch in root.__subclasses__():
        known |= _tree(branch)
    return known


def from_json(data: Mapping[str, Any], status: int) -> VideoVisualError:
    """The exception that the server's `{"error": …}` stands for."""
    told = data["error"]
    code = told.get("code", "")
    kind = _tree(VideoVisualError).get(code, VideoVisualError)
    if kind is VideoVisualError and status >= 500:
        kind = ServerFailed
    return kind(told.get("message", f"HTTP {status}"), **told.get("detail", {}))


def from_torchserve(data: Mapping[str, Any], status: int) -> VideoVisualError:
    """The exception that TorchServe's own `{"code", "type", "message"}` stands for."""
    kind = str(data.get("type", ""))
    message = str(data.get("message", f"HTTP {status}"))
    if kind == "InvalidKeyException":
        return AuthenticationFailed(
            f"The server refused the token: {message} Give the inference key of its "
            "key_file.json; tokens expire, so read it anew."
        )
    if kind == "ModelNotFoundException":
        return UnknownModel(f"{message} Served models: `videovisual models`.")
    if status == 503:
        return Overloaded(f"{message} Try again in {BUSY_S} s.", retry_after_s=BUSY_S)
    return ServerFailed(f"HTTP {status}: {kind} {message}", status=status)


def from_response(
    status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> VideoVisualError | None:
    """The exception that an answer stands for; None where it is a success.

    A failure that came after the answer had begun still has status 200.
    """
    if status < 400 and not body.lstrip().startswith(b'{"error"'):
        return None
    error = _told(status, body)
    wait = (headers or {}).get("retry-after", "")
    if isinstance(error, Overloaded) and wait.isdecimal():
        error.detail["retry_after_s"] = int(wait)
    return error


def _told(status: int, body: bytes) -> VideoVisualError:
    try:
        data = json.loads(body)
    except ValueError:
        return _unreadable(status, len(body))
    if isinstance(data, dict) and "error" in data:
        return from_json(data, status)
    return from_torchserve(data if isinstance(data, dict) else {}, status)


def _unreadable(status: int, size: int) -> VideoVisualError:
    if status == 413:
        return TooLarge("The server takes no request so large: its max_request_size is exceeded.")
    if status == 503:
        return Overloaded(f"The server is full. Try again in {BUSY_S} s.", retry_after_s=BUSY_S)
    return ConnectionFailed(
        f"HTTP {status} with a body that is no JSON ({size} bytes): the server or something "
        "before it broke off."
    )
