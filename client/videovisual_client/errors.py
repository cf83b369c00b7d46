"""What can go wrong between client and server; the server's own errors keep their classes."""

from __future__ import annotations

from typing import Any

from videovisual import errors
from videovisual.errors import VideoVisualError


class ConnectionFailed(VideoVisualError):
    """The server cannot be reached, or went away before it had answered."""

    code = "connection_failed"


class AuthenticationFailed(VideoVisualError):
    """The token is missing, wrong or expired."""

    code = "authentication_failed"
    status = 401


def _tree(root: type[VideoVisualError]) -> dict[str, type[VideoVisualError]]:
    known = {root.code: root}
    for branch in root.__subclasses__():
        known |= _tree(branch)
    return known


def from_json(data: dict[str, Any], status: int) -> VideoVisualError:
    """The exception that the server's `{"error": …}` stands for."""
    told = data["error"]
    kind = _tree(errors.VideoVisualError).get(told.get("code", ""), VideoVisualError)
    error = kind(told.get("message", f"HTTP {status}"), **told.get("detail", {}))
    return error


def from_torchserve(data: dict[str, Any], status: int) -> VideoVisualError:
    """The exception that TorchServe's own `{"code", "type", "message"}` stands for."""
    kind = str(data.get("type", ""))
    message = str(data.get("message", f"HTTP {status}"))
    if kind == "InvalidKeyException":
        return AuthenticationFailed(
            f"The server refused the token: {message} Give the inference key of its "
            "key_file.json; tokens expire, so read it anew."
        )
    if kind == "ModelNotFoundException":
        return errors.UnknownModel(f"{message} Served models: `videovisual models`.")
    if status == 503:
        return errors.Overloaded(f"{message} Try again in 2 s.", retry_after_s=2)
    return VideoVisualError(f"HTTP {status}: {kind} {message}")
