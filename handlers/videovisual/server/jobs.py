"""Jobs: requests that go on without their client, which fetches the answer later."""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from videovisual.errors import (
    Cancelled,
    InvalidParameter,
    JobDropped,
    JobNotDone,
    Overloaded,
    UnknownJob,
)
from videovisual.protocol import KEY_HEADER, Failure, JobState, Options
from videovisual.server.reply import JSON, Reply
from videovisual.server.request import ParsedRequest
from videovisual.server.request_state import RequestState
from videovisual.server.settings import Settings
from videovisual.utils.text import shown

ACCEPTED = 202
DONE = 200
STAGES = {DONE: "done", Cancelled.status: "cancelled"}
"""By the status of the result; any other is of a failure."""

OWN_BYTES = 4096
"""What a job takes beside its result. A classification's result is smaller than that."""

REMEMBERED = 10_000
"""How many dropped jobs are told from unknown ones."""


@dataclass(eq=False)
class Job:
    """A request without a client.

    Attributes:
        request: the request under way, and then its reply.
        model: which it asks.
        ahead: its position in the queue, from 1; 0 once it runs.
        key: what tells the same request, sent again; None if nothing does.
        ended: `time.monotonic()` of its end.
        told: whether a client has fetched its end.
    """

    request: RequestState
    model: str
    ahead: Callable[[], int]
    key: str | None = None
    ended: float | None = None
    told: bool = False

    @property
    def size(self) -> int:
        """Bytes that an ended job holds."""
        assert self.request.reply is not None
        return OWN_BYTES + len(self.request.reply.body)


class Jobs:
    """The jobs of one process; thread-safe.

    A job counts as any request does until it ends. Then its result is kept for `job_keep_s`, and
    all results together within `job_bytes`: those that ended first are dropped first.

    Args:
        settings: the server's.
        address: under which a server has routes for jobs, as `/jobs`; None if it has none.
    """

    def __init__(self, settings: Settings, address: str | None = None) -> None:
        self._settings = settings
        self._address = address
        self._lock = threading.Lock()
        self._running: dict[str, Job] = {}
        self._ended: dict[str, Job] = {}
        self._bytes = 0
        self._dropped: dict[str, str] = {}
        self._by_key: dict[str, str] = {}
        self._stopping = False

    def check(self, options: Options) -> None:
        """Check that a request can be made a job.

        Raises:
            InvalidParameter: it is to be followed in two ways, or the server takes no jobs.
            Overloaded: the server stops.
        """
        if not self._settings.jobs:
            raise InvalidParameter(
                "This server takes no jobs: it is one of several, and the next request may reach "
                "another. Leave job=true out, and follow the request by stream=true.",
                parameter="job",
            )
        if options.stream:
            raise InvalidParameter(
                "A request is followed by stream=true or by job=true. Leave one of them out.",
                parameter="job",
            )
        if self._stopping:
            raise stopping(self._settings.retry_after_s)

    def again(self, key: str | None) -> Reply | None:
        """The reply to a request that was sent before; None if it was not."""
        with self._lock:
            number = "" if key is None else self._by_key.get(key, "")
            same = self._running.get(number) or self._ended.get(number)
        return None if same is None else self._accepted(same)

    def accept(self, job: Job) -> Reply:
        """Take a job that is about to run; the reply tells its client where to ask for it."""
        with self._lock:
            self._running[job.request.number] = job
            if job.key is not None:
                self._by_key[job.key] = job.request.number
        if self._stopping:
            job.request.cancel(stopping(self._settings.retry_after_s))
        return self._accepted(job)

    def end(self, number: str) -> None:
        """Keep the result of a job that has its reply."""
        with self._lock:
            job = self._running.pop(number)
            job.ended = time.monotonic()
            # It holds what the search computed with.
            job.request.best = None
            self._ended[number] = job
            self._bytes += job.size
            self._tidy()

    def state(self, number: str) -> Reply:
        """A job's `JobState`.

        Raises:
            UnknownJob: there is no such job.
            JobDropped: its result is no longer kept.
        """
        return Reply(200, JSON, self._state(self._find(number)))

    def _accepted(self, job: Job) -> Reply:
        where = self._where(job)
        return Reply(ACCEPTED, JSON, self._state(job), {"Location": where} if where else {})

    def _state(self, job: Job) -> bytes:
        queue, reply = job.ahead(), job.request.reply
        state = JobState(
            job=job.request.number,
            model=job.model,
            state="waiting" if queue else "running",
            queue=queue,
            progress=job.request.progress,
            partial=job.request.partial,
            address=self._where(job),
        )
        if reply is not None:
            failed = reply.status != DONE
            # The answer itself is told by the result alone.
            job.told = job.told or failed
            ended: dict[str, Any] = {
                "state": STAGES.get(reply.status, "failed"),
                "error": Failure.model_validate_json(reply.body).error if failed else None,
                "status": reply.status,
                "bytes": len(reply.body),
                "kept_s": round(max(0.0, self._settings.job_keep_s - _since(job)), 1),
            }
            state = state.model_copy(update={**ended, "queue": 0, "partial": None})
        return state.model_dump_json().encode()

    def result(self, number: str) -> Reply:
        """What the request would have been answered without `job=true`.

        Raises:
            UnknownJob, JobDropped: as `state`.
            JobNotDone: the job still waits or runs.
        """
        job = self._find(number)
        if job.request.reply is None:
            raise JobNotDone(
                f"The job {shown(number)} has not ended. Ask for its state until that is `done`, "
                "`failed` or `cancelled`."
            )
        job.told = True
        return job.request.reply

    def delete(self, number: str) -> None:
        """Cancel a job, or drop its result if it has ended.

        A search with `partial=true` that is cancelled ends with its best map so far.

        Raises:
            UnknownJob, JobDropped: as `state`.
        """
        job = self._find(number)
        with self._lock:
            if number in self._ended:
                self._drop(job, "was deleted")
                return
        job.request.stop()

    def tidy(self) -> None:
        """Drop the results that are no longer kept."""
        with self._lock:
            self._tidy()

    def stop(self) -> None:
        """Cancel all jobs, since the server stops, and take no new one."""
        with self._lock:
            self._stopping = True
            running = list(self._running.values())
        for job in running:
            job.request.cancel(stopping(self._settings.retry_after_s))

    def kept_bytes(self, model: str) -> int:
        """What the results of a model's ended jobs hold."""
        with self._lock:
            self._tidy()
            return sum(job.size for job in self._ended.values() if job.model == model)

    @property
    def untold(self) -> bool:
        """Whether there is a job whose end no client has fetched."""
        with self._lock:
            return any(not job.told for job in (*self._running.values(), *self._ended.values()))

    def _find(self, number: str) -> Job:
        with self._lock:
            self._tidy()
            job = self._running.get(number) or self._ended.get(number)
            why = self._dropped.get(number)
        if job is not None:
            return job
        if why is not None:
            raise JobDropped(
                f"The result of the job {shown(number)} {why}. Send the request again."
            )
        raise UnknownJob(
            f"There is no job {shown(number)!r}. The server may have been restarted: jobs live in "
            "its memory. Send the request again."
        )

    def _tidy(self) -> None:
        limits = self._settings
        while self._ended:
            job = next(iter(self._ended.values()))
            if _since(job) >= limits.job_keep_s:
                self._drop(job, f"was kept for {limits.job_keep_s:g} s, the server's job_keep_s")
            elif self._bytes > limits.job_bytes:
                self._drop(
                    job,
                    f"made room for later ones: all together may hold {limits.job_bytes} bytes, "
                    "the server's job_bytes",
                )
            else:
                return

    def _drop(self, job: Job, why: str) -> None:
        del self._ended[job.request.number]
        self._bytes -= job.size
        if job.key is not None:
            self._by_key.pop(job.key, None)
        self._dropped[job.request.number] = why
        if len(self._dropped) > REMEMBERED:
            del self._dropped[next(iter(self._dropped))]

    def _where(self, job: Job) -> str | None:
        return self._address and f"{self._address}/{job.request.number}"


def request_key(headers: Mapping[str, str], model: str, parsed: ParsedRequest) -> str | None:
    """What tells the same request, sent again; None where its client doesn't say that."""
    given = headers.get(KEY_HEADER.lower())
    if given is None:
        return None
    # With the request's own digest, so that a key of another request is no answer to this one.
    return hashlib.sha256(
        f"{given} {model} {parsed.sha256()}".encode("utf-8", "replace")
    ).hexdigest()


def stopping(retry_after_s: int) -> Overloaded:
    """What the client of a request is told that the end of the server ends."""
    return Overloaded(
        f"The server is stopping. Try again in {retry_after_s} s.",
        retry_after_s=retry_after_s,
        reason="stopping",
    )


def _since(job: Job) -> float:
    """Seconds since a job's end; 0 in the moment in which it ends."""
    return 0.0 if job.ended is None else time.monotonic() - job.ended
