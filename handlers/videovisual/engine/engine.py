"""The thread that owns the network and runs all jobs, a step at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from videovisual.engine.job import Job
from videovisual.engine.oracle import Oracle
from videovisual.engine.probe import Result, Work
from videovisual.engine.progress import Progress
from videovisual.engine.scheduler import Scheduler
from videovisual.errors import Cancelled


def run(
    oracle: Oracle, work: Work[Result], on_progress: Callable[[Progress], None] | None = None
) -> Result:
    """Run one piece of work to its end in the calling thread."""
    try:
        probe = next(work)
        while True:
            if on_progress is not None and probe.progress is not None:
                on_progress(probe.progress)
            probe = work.send(oracle.evaluate(probe))
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        work.close()


class Engine:
    """Runs jobs concurrently on one oracle.

    A job's generator runs in the engine's thread alone, so methods need no locks. An error ends
    the job that made it and touches no other.
    """

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        self._scheduler = Scheduler()
        self._wake = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._loop, name="videovisual-engine", daemon=True)
        self._thread.start()

    def submit(
        self,
        work: Work[Result],
        *,
        urgent: bool = False,
        priority: int = 0,
        deadline: float | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> Job[Result]:
        """Queue a piece of work; the arguments are those of `Job`.

        Raises:
            Cancelled: the engine is closed.
        """
        job = Job(
            work, urgent=urgent, priority=priority, deadline=deadline, on_progress=on_progress
        )
        with self._wake:
            if self._closed:
                raise Cancelled("The engine is closed; no job can be started.")
            self._scheduler.add(job)
            self._wake.notify()
        return job

    def close(self) -> None:
        """Cancel all jobs and end the thread."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        self._thread.join()

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _loop(self) -> None:
        while (job := self._next()) is not None:
            self._step(job)
            with self._wake:
                if job.stop_if_due():
                    self._scheduler.forget(job)
                else:
                    self._scheduler.add(job)

    def _next(self) -> Job[Any] | None:
        with self._wake:
            while not self._closed:
                job = self._scheduler.next()
                if job is not None:
                    return job
                self._wake.wait()
            while (job := self._scheduler.next()) is not None:
                job.cancel()
                job.stop_if_due()
            return None

    def _step(self, job: Job[Any]) -> None:
        if job.stop_if_due():
            return
        if job.probe is None:
            job.advance(None)
        if job.probe is None:
            return
        try:
            reading = self.oracle.evaluate(job.probe)
        except Exception as error:
            job.fail(error)
        else:
            job.advance(reading)
