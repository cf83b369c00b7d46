"""The errors of the clients. A server's error is raised as the class that the server raised.

    VideoVisualError
    ├── ConnectionFailed          the server cannot be reached, or closed the connection
    │   └── TimedOut              a phase took longer than its timeout; `.phase` names it
    ├── ClientClosed              the client was closed before, or while, it was used
    ├── ServerFailed              a fault of the server; see its log
    └── …                         the errors of `videovisual.errors`, e.g. `AuthenticationFailed`

Each error has a `message` for people, and a `code` and a `detail` for programs. Code that catches
the errors of `videovisual.errors` works with and without a server.
"""

import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic_core import from_json as from_bytes

from videovisual.errors import (
    AuthenticationFailed,
    Cancelled,
    ClipTooShort,
    DeadlineExceeded,
    InvalidEvidence,
    InvalidParameter,
    InvalidRequest,
    InvalidTarget,
    JobDropped,
    JobNotDone,
    MalformedClip,
    MissingExtra,
    NetworkSettingsError,
    NotFinite,
    Overloaded,
    PredictorError,
    PredictorTimeout,
    PredictorUnreachable,
    ScoresError,
    TooLarge,
    UnknownJob,
    UnknownMethod,
    UnknownModel,
    UnknownOutput,
    UnsuitableMethod,
    UnsupportedMedia,
    UploadStalled,
    VideoVisualError,
    WriteError,
)

__all__ = [
    "AuthenticationFailed",
    "Cancelled",
    "ClientClosed",
    "ClipTooShort",
    "ConnectionFailed",
    "DeadlineExceeded",
    "InvalidEvidence",
    "InvalidParameter",
    "InvalidRequest",
    "InvalidTarget",
    "JobDropped",
    "JobNotDone",
    "MalformedClip",
    "MissingExtra",
    "NetworkSettingsError",
    "NotFinite",
    "Overloaded",
    "PredictorError",
    "PredictorTimeout",
    "PredictorUnreachable",
    "ScoresError",
    "ServerFailed",
    "TimedOut",
    "TooLarge",
    "UnknownJob",
    "UnknownMethod",
    "UnknownModel",
    "UnknownOutput",
    "UnsuitableMethod",
    "UnsupportedMedia",
    "UploadStalled",
    "VideoVisualError",
    "WriteError",
]

BUSY_S = 2
"""The advised wait when TorchServe itself is full and names no time."""

MESSAGE_LENGTH = 2000
"""A server's longer message is cut."""

ERROR = re.compile(rb'\s*\{\s*"error"')


class ConnectionFailed(VideoVisualError, code="connection_failed"):
    """The server cannot be reached, or closed the connection before it answered."""


class TimedOut(ConnectionFailed, code="timed_out"):
    """One phase of a request took longer than its timeout."""

    @property
    def phase(self) -> str:
        """`connect`, `write`, `read` or `pool`."""
        return str(self.detail.get("phase", "read"))


class ClientClosed(VideoVisualError, code="client_closed"):
    """The client was closed before, or while, it was used."""


class ServerFailed(VideoVisualError, code="server_failed"):
    """The server failed on a valid request."""


def _by_code(root: type[VideoVisualError]) -> dict[str, type[VideoVisualError]]:
    classes = {root.code: root}
    for subclass in root.__subclasses__():
        classes |= _by_code(subclass)
    return classes


def from_json(data: Mapping[str, Any], status: int) -> VideoVisualError:
    """The exception of a server's `{"error": …}`, whatever stands there."""
    error = data["error"]
    body = error if isinstance(error, Mapping) else {"message": error}
    detail = body.get("detail")
    kind = _by_code(VideoVisualError).get(str(body.get("code")), VideoVisualError)
    if kind is VideoVisualError and status >= 500:
        kind = ServerFailed
    raised = kind(_text(body.get("message")) or f"HTTP {status}")
    raised.detail = dict(detail) if isinstance(detail, Mapping) else {}
    if isinstance(raised, Overloaded):
        raised.detail["retry_after_s"] = _seconds(raised.detail.get("retry_after_s", "")) or 0
    return raised


def from_torchserve(data: Mapping[str, Any], status: int) -> VideoVisualError:
    """The exception of TorchServe's own `{"code", "type", "message"}`."""
    kind = _text(data.get("type"))
    message = _text(data.get("message")) or f"HTTP {status}"
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
    headers = headers or {}
    if 300 <= status < 400:
        return ConnectionFailed(
            f"HTTP {status}: the server redirects to {_text(headers.get('location')) or 'nowhere'}."
            " The client sends its key to no other address: give the right one."
        )
    if status < 400 and not ERROR.match(body):
        return None
    error = _error(status, body)
    if isinstance(error, Overloaded):
        wait = _seconds(headers.get("retry-after", ""))
        if wait is not None:
            error.detail["retry_after_s"] = wait
    return error


@contextmanager
def one_item() -> Iterator[None]:
    """Put around the work on one of several clips, so that no failure of it ends the others.

    Raises:
        VideoVisualError: whatever failed.
    """
    try:
        yield
    except VideoVisualError:
        raise
    except Exception as error:
        raise VideoVisualError(f"This clip failed: {type(error).__name__}: {error}") from error


def without_key(error: VideoVisualError) -> VideoVisualError:
    """The error of a request that had no key."""
    if not isinstance(error, AuthenticationFailed):
        return error
    return AuthenticationFailed(
        "The server needs a key, and none was given. Give its key_file.json with `key_file` "
        "(`--key-file`), or the inference key with `token` (`--token`)."
    )


def _error(status: int, body: bytes) -> VideoVisualError:
    try:
        data = from_bytes(body)
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


def _text(value: Any) -> str:
    """One line that a terminal can show; empty for None."""
    text = "" if value is None else str(value)
    if len(text) > MESSAGE_LENGTH:
        text = f"{text[:MESSAGE_LENGTH]} …"
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _seconds(wait: Any) -> float | None:
    """A wait in seconds, 0 or more, from a number or an HTTP date; None for anything else."""
    try:
        seconds = float(wait)
    except (TypeError, ValueError, OverflowError):
        try:
            until = parsedate_to_datetime(wait)
            seconds = until.timestamp() - time.time()
        except (TypeError, ValueError, LookupError, AttributeError, OverflowError, OSError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None
