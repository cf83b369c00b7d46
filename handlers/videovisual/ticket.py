"""A request under way, between the thread that serves it and the server that sends its reply."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from videovisual.engine.engine import Engine
from videovisual.engine.job import Job
from videovisual.engine.probe import Result, Work
from videovisual.engine.progress import Progress
from videovisual.errors import Cancelled, Overloaded, VideoVisualError

JSON = "application/json"
NDJSON = "application/x-ndjson"
PROGRESS_INTERVAL_S = 0.1


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
    return Reply(error.status, JSON, json.dumps(error.as_json(), default=str).encode(), headers)


class Ticket:
    """What the server holds of a request until its reply is sent.

    Args:
        notify: called, from any thread, whenever there is news.
    """

    def __init__(self, notify: Callable[[], None]) -> None:
        self.issued = time.monotonic()
        self.deadline: float | None = None
        self.reply: Reply | None = None
        self.content_type = JSON
        self.streaming = False
        self._notify = notify
        self._lines: deque[bytes] = deque()
        self._job: Job[Any] | None = None
        self._lock = threading.Lock()
        self._cancelled = False
        self._told = 0.0

    def cancel(self) -> None:
        """Stop the work within one step; what it would have answered is dropped."""
        with self._lock:
            self._cancelled = True
            if self._job is not None:
                self._job.cancel()

    def run(
        self, engine: Engine, work: Work[Result], *, urgent: bool = False, priority: int = 0
    ) -> Result:
        """Have the engine do a piece of work for this request, and wait for it.

        Raises:
            Cancelled, DeadlineExceeded: the request was given up.
            VideoVisualError: what the work raised.
        """
        with self._lock:
            if self._cancelled:
                work.close()
                raise Cancelled("The request was cancelled.")
            job = engine.submit(
                work,
                urgent=urgent,
                priority=priority,
                deadline=self.deadline,
                on_progress=self._progress if self.streaming else None,
            )
            self._job = job
        return job.result()

    def start_stream(self) -> None:
        """From here on, news is sent as lines of JSON."""
        self._line({"event": "accepted"})
        self.content_type = NDJSON
        self.streaming = True
        self._notify()

    def finish(self, reply: Reply) -> None:
        """The answer is ready."""
        if self.streaming:
            self._line(_result(reply))
            self._line({"event": "done"})
        self.reply = reply
        self._notify()

    def take_lines(self) -> bytes:
        """The lines that have come since the last call."""
        lines = []
        while self._lines:
            lines.append(self._lines.popleft())
        return b"".join(lines)

    def _progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._told < PROGRESS_INTERVAL_S:
            return
        self._told = now
        self._line(
            {
                "event": "progress",
                "step": progress.step,
                "of": progress.of,
                "objective": progress.objective,
                "probability": progress.probability,
            }
        )
        self._notify()

    def _line(self, event: Mapping[str, Any]) -> None:
        self._lines.append(json.dumps(event).encode() + b"\n")


def _result(reply: Reply) -> dict[str, Any]:
    if reply.status != 200:
        return {"event": "error", "status": reply.status, **json.loads(reply.body)}
    if reply.content_type == JSON:
        return {"event": "result", "answer": json.loads(reply.body)}
    return {
        "event": "result",
        "content_type": reply.content_type,
        "base64": base64.b64encode(reply.body).decode("ascii"),
    }
