"""Chooses the jobs of the next step. It uses no threads, no network and no clock."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from videovisual.engine.batch import Kind
from videovisual.engine.job import Job

RESERVE = 0.15
"""The share of the time that explanations get however many classifications come."""


@dataclass(frozen=True)
class Step:
    """What one worker does at once.

    Attributes:
        pieces: jobs, and how many clips of each are read.
        kind: the kind of the pass; None where a job is started and the network is not run.
        room: how many clips would have fitted.
    """

    pieces: Sequence[tuple[Job[Any], int]]
    kind: Kind | None = None
    room: int = 1

    @property
    def clips(self) -> int:
        """How many clips are read."""
        return sum(count for _, count in self.pieces)


class Scheduler:
    """Classifications go first, except for a reserve; explanations use stride scheduling.

    While explanations wait, each second spent on classifications adds to the time owed to them.
    As soon as the time owed covers one step of an explanation, that step goes first. So a flood of
    classifications leaves explanations `RESERVE` of the time, and no classification waits for more
    than one step of an explanation.

    Each explanation has a clock, which advances by the seconds that it used times
    `2 ** -priority`. The job with the lowest clock goes next, and a new job starts at the clock of
    the last job that went. So shares of the time are proportional to `2 ** priority`, whatever a
    job's steps cost, and no job starves (Waldspurger & Weihl 1995).

    The leading job fills a step with its clips. Other jobs of the same kind share the remaining
    room, in the order of their turns.
    """

    def __init__(self, reserve: float = RESERVE) -> None:
        self._reserve = reserve
        self._classifications: deque[Job[Any]] = deque()
        self._explanations: list[Job[Any]] = []
        self._now = 0.0
        self._owed_s = 0.0
        self._step_s = 0.0

    def __len__(self) -> int:
        return len(self._classifications) + len(self._explanations)

    def add(self, job: Job[Any]) -> None:
        """Queue a new job, or a job after its step."""
        if job.classification:
            self._classifications.append(job)
            return
        if job.clock is None:
            job.clock = self._now
        self._explanations.append(job)

    def take(
        self,
        room: Callable[[Kind], int],
        *,
        classifications: bool = True,
        explanations: bool = True,
    ) -> Step | None:
        """Remove the jobs of the next step from the queues; None if there are none.

        Args:
            room: the most clips of a step of a kind.
            classifications, explanations: the jobs that may be in the step.
        """
        first = list(self._classifications) if classifications else []
        others = sorted(self._explanations, key=_turn) if explanations else []
        lead = self._lead(first, others)
        if lead is None:
            return None
        if lead.pending is None:
            self._remove(lead)
            return Step([(lead, 0)])
        kind = lead.pending.kind
        full = max(1, room(kind))
        pieces: list[tuple[Job[Any], int]] = []
        left = full
        for job in (lead, *first, *others):
            if (job is lead and pieces) or job.pending is None or job.pending.kind != kind:
                continue
            count = min(left, job.pending.remaining)
            pieces.append((job, count))
            left -= count
            # A function that needs the network itself shares its pass with no other job.
            if not left or kind.apply is not None:
                break
        for job, _ in pieces:
            self._remove(job)
        return Step(pieces, kind, full)

    def charge(self, job: Job[Any], seconds: float) -> None:
        """Record the cost of a job's part of a step, before the job is added again."""
        if job.classification:
            if self._explanations:
                self._owed_s += seconds * self._reserve / (1 - self._reserve)
            return
        assert job.clock is not None
        job.clock += seconds * 2.0**-job.priority
        self._owed_s = max(0.0, self._owed_s - seconds)
        self._step_s = seconds

    def sweep(self) -> list[Job[Any]]:
        """End and remove the jobs that were cancelled or whose deadline passed."""
        jobs = (*self._classifications, *self._explanations)
        over = [job for job in jobs if job.stop_if_due()]
        for job in over:
            self._remove(job)
        return over

    def clear(self) -> list[Job[Any]]:
        """Remove all jobs."""
        jobs = [*self._classifications, *self._explanations]
        self._classifications.clear()
        self._explanations.clear()
        return jobs

    def _lead(
        self, classifications: list[Job[Any]], explanations: list[Job[Any]]
    ) -> Job[Any] | None:
        owed = self._owed_s > 0 and self._owed_s >= self._step_s
        if classifications and not (explanations and owed):
            return classifications[0]
        if not explanations:
            return None
        self._now = max(self._now, explanations[0].clock or 0.0)
        return explanations[0]

    def _remove(self, job: Job[Any]) -> None:
        (self._classifications if job.classification else self._explanations).remove(job)


def _turn(job: Job[Any]) -> tuple[float, int]:
    return (job.clock or 0.0, job.number)
