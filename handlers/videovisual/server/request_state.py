"""A request under way, between the thread that serves it and the server that sends its reply."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from videovisual.engine.engine import Engine
from videovisual.engine.job import Job
from videovisual.engine.probe import Result, Work
from videovisual.engine.progress import Progress
from videovisual.errors import Cancelled
from videovisual.protocol import (
    AcceptedEvent,
    Array,
    DoneEvent,
    Event,
    PartialEvent,
    ProgressEvent,
)
from videovisual.saliency import Saliency
from videovisual.server.reply import JSON, NDJSON, Reply, event_line, result_event

PROGRESS_INTERVAL_S = 0.1
PART_BYTES = 8 * 2**20
"""The most that is sent at once, so that no part comes near a server's limit."""


class RequestState:
    """What the server holds of a request until its reply is sent.

    Args:
        number: the request's id.
        notify: called, from any thread, whenever there is news.

    Attributes:
        wants_best: whether the best map so far is wanted at the deadline, rather than an error.
        methods: the explanation methods that are asked for.
        partial_every_s: how often a stream tells the best map so far; None for never.
        steps: passes of the network that were made for it.
        late_steps: those of them that ended after it was cancelled.
        best: makes the best map so far of the explanation that the deadline ended.
    """

    def __init__(self, number: str, notify: Callable[[], None]) -> None:
        self.number = number
        self.issued = time.monotonic()
        self.deadline: float | None = None
        self.wants_best = False
        self.reply: Reply | None = None
        self.content_type = JSON
        self.streaming = False
        self.methods: tuple[str, ...] = ()
        self.partial_every_s: float | None = None
        self.steps = 0
        self.late_steps = 0
        self.best: Callable[[], Saliency] | None = None
        self._notify = notify
        self._lines: deque[bytes] = deque()
        self._queued = False
        self._job: Job[Any] | None = None
        self._lock = threading.Lock()
        self._cancelled = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether it was given up."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """Stop the work within one step; what it would have answered is dropped."""
        with self._lock:
            self._cancelled.set()
            if self._job is not None:
                self._job.cancel()
        self._notify()

    def run(
        self,
        engine: Engine,
        work: Work[Result],
        *,
        subject: Mapping[str, str] | None = None,
        device: int | None = None,
        urgent: bool = False,
        priority: int = 0,
    ) -> Result:
        """Have the engine do a piece of work for this request, and wait for it.

        Args:
            engine: who does it.
            work: what is done.
            subject: `method` and `target` of an explanation, for its progress.
            device, urgent, priority: as of `Engine.submit`.

        Raises:
            Cancelled, DeadlineExceeded: the request was given up.
            VideoVisualError: what the work raised.
        """
        teller = Teller(self, subject or {}) if self.streaming else None
        with self._lock:
            if self.cancelled:
                work.close()
                raise Cancelled("The request was cancelled.")
            job = engine.submit(
                work,
                device=device,
                urgent=urgent,
                priority=priority,
                deadline=self.deadline,
                on_progress=teller,
            )
            self._job = job
        try:
            return job.result(self._patience())
        except TimeoutError:
            # The step that it is in may take long, and its result is of no use any more.
            job.cancel()
            raise job.too_late() from None
        finally:
            self.steps += job.steps
            self.late_steps += job.late_steps
            self.best, self._job = job.best, None
            # As in `Job.result`: what a request held is freed when it ends, not sometime.
            del job

    def _patience(self) -> float | None:
        """Seconds to wait for a job; without end where it may have a best map at its deadline."""
        if self.deadline is None or self.wants_best:
            return None
        return max(0.0, self.deadline - time.monotonic())

    def start_stream(self, ahead: int) -> None:
        """From here on, news is sent as lines of JSON; so many requests wait before this one."""
        self.tell(AcceptedEvent(job=self.number, queue=ahead))
        self.content_type = NDJSON
        self.streaming = True
        self._notify()

    def tell(self, event: Event) -> None:
        """Send one line."""
        self._lines.append(event_line(event))
        self._notify()

    def finish(self, reply: Reply) -> None:
        """The answer is ready."""
        if self.streaming:
            self._lines.extend((event_line(result_event(reply)), event_line(DoneEvent())))
        self.reply = reply
        self._notify()

    def take_lines(self) -> bytes:
        """The next of what is to be sent piece by piece: a stream's lines, or a long answer."""
        if self.reply is not None and not self.streaming and not self._queued:
            self._lines.append(self.reply.body)
            self._queued = True
        parts, size = [], 0
        while self._lines and size < PART_BYTES:
            line = self._lines.popleft()
            room = PART_BYTES - size
            if len(line) > room:
                self._lines.appendleft(line[room:])
                line = line[:room]
            parts.append(line)
            size += len(line)
        return b"".join(parts)

    @property
    def is_sent(self) -> bool:
        """Whether all of the answer has been taken in parts."""
        return self.reply is not None and (self.streaming or self._queued) and not self._lines


class Teller:
    """Turns one job's progress into events, not too many of them."""

    def __init__(self, ticket: RequestState, subject: Mapping[str, str]) -> None:
        self._ticket = ticket
        self._subject = subject
        self._first: tuple[float, int] | None = None
        self._told = 0.0
        self._partial_told = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Take the progress of the next probe."""
        now = time.monotonic()
        began, first = self._first = self._first or (now, progress.step)
        if now - self._told >= PROGRESS_INTERVAL_S:
            self._told = now
            done = progress.step - first
            eta = (now - began) / done * (progress.of - progress.step) if done else None
            self._ticket.tell(
                ProgressEvent(
                    step=progress.step,
                    of=progress.of,
                    objective=progress.objective,
                    probability=progress.probability,
                    eta_s=None if eta is None else round(eta, 3),
                    method=self._subject.get("method"),
                    target=self._subject.get("target"),
                )
            )
        every = self._ticket.partial_every_s
        if every is None or progress.partial is None or now - self._partial_told < every:
            return
        self._partial_told = now
        self._ticket.tell(
            PartialEvent(
                method=self._subject.get("method"),
                target=self._subject.get("target"),
                map=Array.of(progress.partial().map),
                step=progress.step,
            )
        )
