"""A running piece of work: an explanation or a classification."""

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
from videovisual.utils.text import shown
from videovisual.utils.tracebacks import frames

_numbers = itertools.count(1)


class State(Enum):
    """The state of a job."""

    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Job(Generic[Result]):
    """One piece of work that the engine runs.

    Args:
        work: the generator to run.
        classification: whether it goes before all explanations.
        priority: each step up doubles the job's share of the engine.
        deadline: `time.monotonic()` after which the job fails.
        on_progress: called in the engine's threads, one call at a time, with each probe's
            progress.

    Attributes:
        pending: the probe that is being read, if any.
        clock: the used share of the engine, in the scheduler's virtual time.
        steps: the passes of the network that contained clips of the job.
        late_steps: those passes that ended after the job was cancelled.
        best: returns the best map so far, if the method is anytime. It stays available when the
            deadline ended the job.
    """

    def __init__(
        self,
        work: Work[Result],
        *,
        classification: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.number = next(_numbers)
        self.classification = classification
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
        """Stop the job before its next step."""
        self._cancelled.set()

    def result(self, timeout: float | None = None) -> Result:
        """Wait for the work's result.

        Raises:
            Cancelled, DeadlineExceeded: the job was stopped.
            TimeoutError: `timeout` seconds passed; the job goes on.
            VideoVisualError: the method or the network raised an error.
        """
        if not self._finished.wait(timeout):
            raise TimeoutError(f"job {self.number} is still running after {timeout} s")
        if self._error is None:
            return cast("Result", self._result)
        try:
            raise self._error
        finally:
            # The error's traceback would keep this frame, and so the job that keeps the error.
            del self

    def too_late(self) -> DeadlineExceeded:
        """The error of a job whose deadline has passed."""
        return DeadlineExceeded(
            "timeout_s passed before the answer was ready. Allow more time, or fewer steps.",
            job=self.number,
        )

    def stop_if_due(self) -> bool:
        """End the job if it was cancelled or its deadline passed. Returns whether it has ended."""
        if self.state is State.ACTIVE and self._cancelled.is_set():
            self._end(State.CANCELLED, Cancelled("The job was cancelled.", job=self.number))
        elif (
            self.state is State.ACTIVE
            and self.deadline is not None
            and time.monotonic() > self.deadline
        ):
            self._end(State.FAILED, self.too_late(), self.best)
        return self.state is not State.ACTIVE

    def take(self, reading: Reading) -> None:
        """Take the reading of one piece. After the last piece, go on to the next probe."""
        assert self.pending is not None
        whole = self.pending.add(reading)
        if whole is not None:
            self.advance(whole)

    def count_step(self) -> None:
        """Count a pass that contained clips of the job."""
        self.steps += 1
        self.late_steps += self._cancelled.is_set()

    def advance(self, reading: Reading | None) -> None:
        """Send a reading to the generator (None starts it) and take its next probe."""
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
            # Drop this frame, through which the error would keep the job that keeps the error.
            if error.__traceback__ is not None:
                error.__traceback__ = error.__traceback__.tb_next
            self.fail(error)

    def fail(self, error: BaseException) -> None:
        """End the job with an error, without keeping the clips of the traceback's frames."""
        trace = error.__traceback__
        traceback.clear_frames(trace)
        # The traceback also leads to frames of the engine, which hold clips.
        error.__traceback__ = None
        if not isinstance(error, VideoVisualError):
            wrapped = VideoVisualError(f"{type(error).__name__}: {shown(error, 300)}")
            wrapped.__cause__ = error
            wrapped.trace = frames(trace)
            error = wrapped
        self._end(State.FAILED, error)

    def _end(
        self, state: State, error: BaseException | None, best: Callable[[], Saliency] | None = None
    ) -> None:
        self._work.close()
        self.pending = None
        self.best = best
        self._error = error
        self.state = state
        self._finished.set()
