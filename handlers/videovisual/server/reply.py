"""A finished answer as bytes: a reply, an error's reply, and the lines of a stream."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from videovisual.errors import Overloaded, TooLarge, VideoVisualError
from videovisual.protocol import DoneEvent, Event, FileEvent

JSON = "application/json"
NDJSON = "application/x-ndjson"
JOB_HEADER = "X-VideoVisual-Job"


@dataclass(frozen=True)
class Reply:
    """A finished answer, ready to be sent."""

    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def lines(self) -> Iterator[bytes]:
        """The last lines of a stream: the answer, or the error, and the end."""
        if self.status != 200:
            # The error is JSON already: `{"error": …}`.
            yield b'{"event":"error","status":%d,%s\n' % (self.status, self.body[1:])
        elif self.content_type == JSON:
            yield b'{"event":"result","answer":%s}\n' % self.body
        else:
            encoded = base64.b64encode(self.body).decode("ascii")
            yield event_line(FileEvent(content_type=self.content_type, base64=encoded))
        yield event_line(DoneEvent())


def check_reply_size(size: int, maximum: int) -> None:
    """Raises TooLarge where an answer has, or will have, more than `maximum` bytes."""
    if size > maximum:
        raise TooLarge(
            f"The answer has {size} bytes, more than the {maximum} that may be sent. "
            "Ask for fewer targets or frames, or for output=png.",
            given=size,
            maximum=maximum,
        )


def error_reply(error: VideoVisualError) -> Reply:
    """The reply of a request that failed: `{"error": {"code", "message", "detail"}}`."""
    headers = {}
    if isinstance(error, Overloaded):
        headers["Retry-After"] = str(error.detail["retry_after_s"])
    # A clip may be said to last for ever, and JSON has no infinity.
    facts = json.loads(json.dumps(error.as_json(), default=str), parse_constant=str)
    body = json.dumps(facts, ensure_ascii=False)
    # A client may have sent half of a surrogate pair, which is no character.
    return Reply(error.status, JSON, body.encode("utf-8", "replace"), headers)


def event_line(event: Event) -> bytes:
    """One line of a stream."""
    return event.model_dump_json().encode() + b"\n"
