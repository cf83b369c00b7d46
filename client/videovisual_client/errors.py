"""The errors of the clients. A server's error is raised as the class that the server raised.

    VideoVisualError
    ├── ConnectionFailed          the server cannot be reached, or closed the connection
    │   └── TimedOut              a phase took longer than its timeout; `.phase` names it
    ├── AuthenticationFailed      the token is missing, wrong or expired, and could not be renewed
    ├── ServerFailed              a fault of the server; see its log
    └── …                         the errors of `videovisual.errors`

Each error has a `message` for people, and a `code` and a `detail` for programs. Code that catches
the errors of `videovisual.errors` works with and without a server.
"""

import json
from collections.abc import Mapping
from typing import Any

from videovisual.errors import (
    Cancelled,
    ClipTooShort,
    DeadlineExceeded,
    InvalidParameter,
    InvalidRequest,
    InvalidTarget,
    MalformedClip,
    MissingExtra,
    NotFinite,
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
    "NotFinite",
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
"""The advised wait when TorchServe itself is full and names no time."""


class ConnectionFailed(VideoVisualError, code="connection_failed"):
    """The server cannot be reached, or closed the connection before it answered."""


class TimedOut(ConnectionFailed, code="timed_out"):
    """One phase of a request took longer than its timeout."""

    @property
    def phase(self) -> str:
        """`connect`, `write`, `read` or `pool`."""
        return str(self.detail["phase"])


class AuthenticationFailed(VideoVisualError, code="authentication_failed", status=401):
    """The token is missing, wrong or expired."""


class ServerFailed(VideoVisualError, code="server_failed"):
    """The server failed on a valid request."""


def _by_code(root: type[VideoVisualError]) -> dict[str, type[VideoVisualError]]:
    classes = {root.code: root}
    for subclass in root.__subclasses__():
        classes |= _by_code(subclass)
    return classes


def from_json(data: Mapping[str, Any], status: int) -> VideoVisualError:
    """The exception of a server's `{"error": …}`."""
    error = data["error"]
    code = error.get("code", "")
    kind = _by_code(VideoVisualError).get(code, VideoVisualError)
    if kind is VideoVisualError and status >= 500:
        kind = ServerFailed
    return kind(error.get("message", f"HTTP {status}"), **error.get("detail", {}))


def from_torchserve(data: Mapping[str, Any], status: int) -> VideoVisualError:
    """The exception of TorchServe's own `{"code", "type", "message"}`."""
    kind = str(data.get("type", ""))
    message = str(data.get("message", f"HTTP {status}"))
    if kind == "InvalidKeyException":
        return AuthenticationFailed(
            f"The server refused the token: {message} Give the inference key of its current "
            "key_file.json, because tokens expire."
        )
    if kind == "ModelNotFoundException":
        return UnknownModel(f"{message} Served models: `videovisual models`.")
    if status == 503:
        return Overloaded(f"{message} Try again in {BUSY_S} s.", retry_after_s=BUSY_S)
    return ServerFailed(f"HTTP {status}: {kind} {message}", status=status)


def from_response(
    status: int, body: bytes, headers: Mapping[str, str] | None = None
) -> VideoVisualError | None:
    """The exception of a response, or None if the response is a success.

    An error after the response has begun still has status 200.
    """
    if status < 400 and not body.lstrip().startswith(b'{"error"'):
        return None
    error = _error(status, body)
    wait = (headers or {}).get("retry-after", "")
    if isinstance(error, Overloaded) and wait.isdecimal():
        error.detail["retry_after_s"] = int(wait)
    return error


def _error(status: int, body: bytes) -> VideoVisualError:
    try:
        data = json.loads(body)
    except ValueError:
        return _unreadable(status, len(body))
    if isinstance(data, dict) and "error" in data:
        return from_json(data, status)
    return from_torchserve(data if isinstance(data, dict) else {}, status)


def _unreadable(status: int, size: int) -> VideoVisualError:
    if status == 413:
        return TooLarge(
            "The request exceeds the server's max_request_size. Send a shorter or smaller clip."
        )
    if status == 503:
        return Overloaded(f"The server is full. Try again in {BUSY_S} s.", retry_after_s=BUSY_S)
    return ConnectionFailed(
        f"HTTP {status} with a body of {size} bytes that is not JSON. Check the server, and any "
        "proxy before it."
    )
