"""A finished answer as bytes: a reply, an error's reply, and the lines of a stream."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from videovisual.errors import Overloaded, VideoVisualError
from videovisual.protocol import ErrorEvent, Event, FileEvent, ResultEvent

JSON = "application/json"
NDJSON = "application/x-ndjson"


@dataclass(frozen=True)
class Reply:
    """A finished answer, ready to be sent."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def error_reply(error: VideoVisualError) -> Reply:
    """An error in the one shape in which all errors travel."""
    headers = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(error.detail["retry_after_s"])
    told = json.dumps(error.as_json(), default=str, ensure_ascii=False)
    # A client may have sent half of a surrogate pair, which is no character.
    return Reply(error.status, JSON, told.encode("utf-8", "replace"), headers)


def event_line(event: Event) -> bytes:
    """One line of a stream."""
    return event.model_dump_json().encode() + b"\n"


def result_event(reply: Reply) -> Event:
    """The event that ends a stream, from the reply that there would be without one."""
    if reply.status != 200:
        return ErrorEvent(status=reply.status, **json.loads(reply.body))
    if reply.content_type == JSON:
        return ResultEvent(answer=json.loads(reply.body))
    return FileEvent(
        content_type=reply.content_type, base64=base64.b64encode(reply.body).decode("ascii")
    )
