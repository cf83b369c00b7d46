"""A running attribution, as its owner sees it."""

from __future__ import annotations

import itertools
import threading
import time
import traceback
from collections.abc import Callable
from enum import Enum
from typing import Generic, cast

from videovisual.engine.batch import Pending
from videovisual.engine.probe import Reading, Result, Work
from videovisual.engine.progress import Progress
from videovisual.errors import Cancelled, DeadlineExceeded, VideoVisualError
from videovisual.saliency import Saliency
from videovisual.utils.tracebacks import frames

_numbers = itertools.count(1)


class State(Enum):
    """Where a job stands."""

    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(Generic[Result]):
    """One piece of work in the engine's hands.

    Args:
        work: the generator to run.
        urgent: a classification, which goes before all explanations.
        priority: each step up doubles the job's share of the engine.
        deadline: `time.monotonic()` after which it is given up.
        on_progress: called in the engine's threads, one call at a time, with each probe's
            progress.

    Attributes:
        pending: the probe that it waits for, while it does.
        clock: how much of its share it has used, in the scheduler's time.
        steps: passes of the network that had clips of it.
        late_steps: those of them that ended after it was cancelled.
        best: makes the best map so far, where the method is anytime; kept when a deadline ended
            the job.
    """

    def __init__(
        self,
        work: Work[Result],
        *,
        urgent: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.number = next(_numbers)
        self.urgent = urgent
        self.priority = priority
        self.deadline = deadline
        self.state = State.ACTIVE
        self.pending: Pending | None = None
        self.clock: float | None = None
        self.steps = 0
        self.late_steps = 0
        self.best: Callable[[], Saliency] | None = None
        self._work = work
        self._on_progress = on_progress
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._finished = threading.Event()
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Ask the job to stop; it does so before its next step."""
        self._cancelled.set()

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the work's result.

        Raises:
            Cancelled, DeadlineExceeded: the job was stopped.
            TimeoutError: `timeout` seconds passed; the job goes on.
            VideoVisualError: whatever the method or the oracle raised.
        """
        if not self._finished.wait(timeout):
            raise TimeoutError(f"job {self.number} is still running after {timeout} s")
        if self._error is None:
            return cast("Result", self._result)
        try:
            raise self._error
        finally:
            # The error's traceback leads here, and would keep the job that keeps the error.
            del self

    def too_late(self) -> DeadlineExceeded:
        """What is said of it when its deadline has passed."""
        return DeadlineExceeded(
            "timeout_s passed before the answer was ready. Allow more time, or fewer steps.",
            job=self.number,
        )

    def stop_if_due(self) -> bool:
        """End the job if it was cancelled or is late; whether it has ended."""
        if self.state is State.ACTIVE and self._cancelled.is_set():
            self._end(State.CANCELLED, Cancelled("The job was cancelled.", job=self.number))
        elif (
            self.state is State.ACTIVE
            and self.deadline is not None
            and time.monotonic() > self.deadline
        ):
            best = self.best
            self._end(State.FAILED, self.too_late(), best)
        return self.state is not State.ACTIVE

    def take(self, reading: Reading) -> None:
        """Take the reading of the clips that a step had of it; go on once the probe is whole."""
        assert self.pending is not None
        whole = self.pending.give(reading)
        if whole is not None:
            self.advance(whole)

    def count_step(self) -> None:
        """Note that a pass had clips of it."""
        self.steps += 1
        self.late_steps += self._cancelled.is_set()

    def advance(self, reading: Reading | None) -> None:
        """Hand the generator its reading (None to start it) and take its next probe."""
        try:
            probe = next(self._work) if reading is None else self._work.send(reading)
            self.pending = Pending(probe)
            if probe.progress is not None:
                self.best = probe.progress.partial or self.best
                if self._on_progress is not None:
                    self._on_progress(probe.progress)
        except StopIteration as stop:
            self._result = stop.value
            self._end(State.DONE, None)
        except BaseException as error:
            # Without this frame, through which an error would keep the job that keeps it.
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the job with an error, which keeps none of the clips that it was met with."""
        trace = error.__traceback__
        traceback.clear_frames(trace)
        # Its frames lead back to those of the engine, which have the clips too.
        error.__traceback__ = None
        if not isinstance(error, VideoVisualError):
            wrapped = VideoVisualError(f"{type(error).__name__}: {error}")
            wrapped.__cause__ = error
            wrapped.trace = frames(trace)
            error = wrapped
        self._end(State.FAILED, error)

    def _end(
        self,
        state: State,
        error: BaseException | None,
        best: Callable[[], Saliency] | None = None,
    ) -> None:
        self._work.close()
        self.pending = None
        self.best = best
        self._error = error
        self.state = state
        self._finished.set()
