"""A request under way, between the thread that serves it and the server that sends its reply."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from videovisual.engine.job import Job
from videovisual.engine.probe import Result
from videovisual.engine.progress import Progress
from videovisual.errors import Cancelled, DeadlineExceeded, VideoVisualError
from videovisual.protocol import AcceptedEvent, Array, Event, Options, PartialEvent, ProgressEvent
from videovisual.saliency import Saliency
from videovisual.server.reply import JSON, NDJSON, Reply, event_line

PROGRESS_INTERVAL_S = 0.1
PART_BYTES = 8 * 2**20
"""The most that is sent at once, so that no part comes near a server's limit."""


class RequestState:
    """The state of one request, from its arrival until its reply is sent.

    Args:
        number: the request's id.
        notify: functions that are called, from any thread, whenever there is something to send.

    Attributes:
        issued: `time.monotonic()` of its arrival.
        deadline: `time.monotonic()` at which it ends; None for never.
        wants_best: whether the best map so far is wanted at the end, rather than an error.
        explains: whether an explanation is asked for.
        reply: the answer, once it is ready.
        content_type: of the answer.
        streaming: whether the answer is sent as lines of JSON.
        methods: the explanation methods that are asked for.
        partial_every_s: how often a stream, or a job, has the best map so far; None for never.
        is_job: whether the request goes on without its client.
        progress: the last progress of a job.
        partial: the last best map so far of a job.
        why: with which error it was cancelled, if not by its client.
        steps: passes of the network that were made for it.
        late_steps: those of them that ended after it was cancelled.
        best: makes the best map so far of the explanation that the deadline ended.
        inference: whether it is of the open inference protocol, version 2, whose headers are known
            only with the answer.
    """

    def __init__(self, number: str, *notify: Callable[[], None]) -> None:
        self.number = number
        self.issued = time.monotonic()
        self.deadline: float | None = None
        self.wants_best = False
        self.explains = False
        self.reply: Reply | None = None
        self.content_type = JSON
        self.streaming = False
        self.methods: tuple[str, ...] = ()
        self.partial_every_s: float | None = None
        self.is_job = False
        self.progress: ProgressEvent | None = None
        self.partial: PartialEvent | None = None
        self.why: VideoVisualError | None = None
        self.steps = 0
        self.late_steps = 0
        self.best: Callable[[], Saliency] | None = None
        self.inference = False
        self._listeners = notify
        self._lines: deque[bytes] = deque()
        self._queued = False
        self._job: Job[Any] | None = None
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._cancelled = threading.Event()

    @property
    def cancelled(self) -> bool:
        """Whether the request was cancelled."""
        return self._cancelled.is_set()

    def configure(self, options: Options, methods: tuple[str, ...]) -> None:
        """Take over what the options say of deadline and answer."""
        if options.timeout_s is not None:
            self.deadline = time.monotonic() + options.timeout_s
        self.wants_best = options.partial
        self.content_type = options.output.content_type
        self.methods = methods
        self.partial_every_s = options.partial_every_s
        self.is_job = options.job

    def cancel(self, why: VideoVisualError | None = None) -> None:
        """End the work within one step; its result is dropped.

        Args:
            why: what the client is told, if it isn't the one that cancels.
        """
        with self._lock:
            self.why = self.why or why
            self._cancelled.set()
            if self._job is not None:
                self._job.cancel()
        self._notify()

    def stop(self) -> None:
        """End the work within one step, with the best map so far if it is wanted and there is one.

        A second call drops that too.
        """
        with self._lock:
            now, job = time.monotonic(), self._job
            late = self.deadline is not None and self.deadline <= now
            if self.wants_best and not late and job is not None and job.best is not None:
                self.deadline = job.deadline = now
                return
        self.cancel()

    def check(self) -> None:
        """Raises Cancelled or DeadlineExceeded where the request has ended."""
        if self.cancelled:
            raise Cancelled("The request was cancelled.")
        if self._seconds_left() == 0:
            raise DeadlineExceeded(
                "timeout_s passed before the answer was ready. Allow more time, or ask for less."
            )

    def run(
        self, submit: Callable[..., Job[Result]], subject: Mapping[str, str] | None = None
    ) -> Result:
        """Run a piece of work for this request in an engine, and wait for it.

        Args:
            submit: as `Engine.submit`, but for `deadline` and `on_progress`.
            subject: `method` and `target` of an explanation, for its progress.

        Raises:
            Cancelled, DeadlineExceeded: the request ended first.
            VideoVisualError: what the work raised.
        """
        told = self.streaming or self.is_job
        on_progress = ProgressReporter(self, subject or {}) if told else None
        with self._lock:
            if self.cancelled:
                raise Cancelled("The request was cancelled.")
            job = self._job = submit(deadline=self.deadline, on_progress=on_progress)
        try:
            return job.result(self._seconds_left())
        except TimeoutError:
            # Its current step may take long, and nobody waits for the result any more.
            job.cancel()
            raise job.too_late() from None
        finally:
            self.steps += job.steps
            self.late_steps += job.late_steps
            self.best, self._job = job.best, None
            # As in `Job.result`: the request's tensors are freed when it ends.
            del job

    def _seconds_left(self) -> float | None:
        """Seconds until the deadline; None where there is none, or the best map is wanted then."""
        if self.deadline is None or self.wants_best:
            return None
        return max(0.0, self.deadline - time.monotonic())

    def start_stream(self, queue: int) -> None:
        """Send everything from here on as lines of JSON; `queue` requests wait up to this one."""
        self.send(AcceptedEvent(job=self.number, queue=queue))
        self.content_type = NDJSON
        self.streaming = True
        self._notify()

    def send(self, event: Event) -> None:
        """Queue one line of a stream, unless the answer has ended it; a job keeps it as the latest.

        After a deadline, the last step may still report progress.
        """
        if self.is_job:
            self._keep(event)
            return
        line = event_line(event)
        with self._writing:
            if self.reply is not None:
                return
            self._lines.append(line)
        self._notify()

    def _keep(self, event: Event) -> None:
        with self._writing:
            if isinstance(event, ProgressEvent):
                self.progress = event
            elif isinstance(event, PartialEvent) and self.reply is None:
                self.partial = event

    def finish(self, reply: Reply) -> None:
        """Set the answer."""
        lines = list(reply.lines()) if self.streaming else []
        with self._writing:
            self._lines.extend(lines)
            self.reply, self.partial = reply, None
        self._notify()

    def take_lines(self) -> bytes:
        """The next part to send: of a stream's lines, or of a long answer."""
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

    def _notify(self) -> None:
        for listener in self._listeners:
            listener()

    @property
    def is_sent(self) -> bool:
        """Whether all of the answer has been taken in parts."""
        return self.reply is not None and (self.streaming or self._queued) and not self._lines


class ProgressReporter:
    """Sends one job's progress and partial maps as events, at bounded rates."""

    def __init__(self, state: RequestState, subject: Mapping[str, str]) -> None:
        self._state = state
        self._subject = subject
        self._first: tuple[float, int] | None = None
        self._progress_sent = 0.0
        self._partial_sent = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Take the progress of the next probe."""
        now = time.monotonic()
        method, target = self._subject.get("method"), self._subject.get("target")
        began, first = self._first = self._first or (now, progress.step)
        if now - self._progress_sent >= PROGRESS_INTERVAL_S:
            self._progress_sent = now
            done = progress.step - first
            eta = (now - began) / done * (progress.of - progress.step) if done else None
            self._state.send(
                ProgressEvent(
                    step=progress.step,
                    of=progress.of,
                    objective=progress.objective,
                    probability=progress.probability,
                    eta_s=None if eta is None else round(eta, 3),
                    method=method,
                    target=target,
                )
            )
        every = self._state.partial_every_s
        if every is None or progress.partial is None or now - self._partial_sent < every:
            return
        self._partial_sent = now
        best = Array.of(progress.partial().map)
        self._state.send(PartialEvent(method=method, target=target, map=best, step=progress.step))
