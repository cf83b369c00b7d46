"""Whose turn it is. No threads, no network, no clock: queues and their rule."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from videovisual.engine.batch import Kind
from videovisual.engine.job import Job

RESERVE = 0.15
"""The share of the time that explanations get however many classifications come."""


@dataclass(frozen=True)
class Step:
    """What one lane does at once.

    Attributes:
        pieces: jobs, and how many clips of each are read.
        kind: what is asked of the network; None where a job is begun, and nothing is.
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
    """Classifications first, but for a reserve; explanations by stride scheduling.

    A classification goes before all explanations. While explanations wait, each second spent on
    classifications earns them a debt, of which they are paid a step as soon as it covers one: so
    a flood of classifications leaves them `RESERVE` of the time, and no classification waits for
    more than one of their steps.

    Each explanation has a clock, which moves on by the seconds that it used times
    `2 ** -priority`; the one whose clock is furthest behind goes next, and a new one starts at
    the time of the last that went. So shares of the time are in proportion to `2 ** priority`,
    whatever a job's steps cost, and nobody starves (Waldspurger & Weihl 1995).

    The job whose turn it is fills a step up with its clips; what room is left is given to others
    of the same kind in the order of their turns.
    """

    def __init__(self, reserve: float = RESERVE) -> None:
        self._reserve = reserve
        self._urgent: deque[Job[Any]] = deque()
        self._patient: list[Job[Any]] = []
        self._now = 0.0
        self._debt = 0.0
        self._step_s = 0.0

    def __len__(self) -> int:
        return len(self._urgent) + len(self._patient)

    def add(self, job: Job[Any]) -> None:
        """Let a job in, or back in after its step."""
        if job.urgent:
            self._urgent.append(job)
            return
        if job.clock is None:
            job.clock = self._now
        self._patient.append(job)

    def take(
        self, room: Callable[[Kind], int], *, urgent: bool = True, patient: bool = True
    ) -> Step | None:
        """Take out the jobs of the next step; None if there are none.

        Args:
            room: how many clips of a kind a step may hold.
            urgent, patient: whether classifications, and explanations, may be in it.
        """
        lead = self._lead(urgent, patient)
        if lead is None:
            return None
        if lead.pending is None:
            self._remove(lead)
            return Step([(lead, 0)])
        kind = lead.pending.kind
        full = max(1, room(kind))
        pieces: list[tuple[Job[Any], int]] = []
        left = full
        for job in self._sharing(lead, urgent, patient):
            assert job.pending is not None
            count = min(left, job.pending.left)
            pieces.append((job, count))
            left -= count
            if not left:
                break
        for job, _ in pieces:
            self._remove(job)
        return Step(pieces, kind, full)

    def charge(self, job: Job[Any], seconds: float) -> None:
        """Note what a job's part in a step has cost, before it comes back."""
        if job.urgent:
            if self._patient:
                self._debt += seconds * self._reserve / (1 - self._reserve)
            return
        assert job.clock is not None
        job.clock += seconds * 2.0**-job.priority
        self._debt = max(0.0, self._debt - seconds)
        self._step_s = seconds

    def sweep(self) -> list[Job[Any]]:
        """Take out the jobs that were cancelled or are late, ended."""
        over = [job for job in (*self._urgent, *self._patient) if job.stop_if_due()]
        for job in over:
            self._remove(job)
        return over

    def clear(self) -> list[Job[Any]]:
        """Take out all jobs."""
        jobs = [*self._urgent, *self._patient]
        self._urgent.clear()
        self._patient.clear()
        return jobs

    def _lead(self, urgent: bool, patient: bool) -> Job[Any] | None:
        first = self._urgent[0] if urgent and self._urgent else None
        if not patient or not self._patient:
            return first
        if first is not None and (self._debt <= 0 or self._debt < self._step_s):
            return first
        lead = min(self._patient, key=_turn)
        self._now = max(self._now, lead.clock or 0.0)
        return lead

    def _sharing(self, lead: Job[Any], urgent: bool, patient: bool) -> Iterator[Job[Any]]:
        """The lead, and then whoever can join it, in the order of their turns."""
        yield lead
        assert lead.pending is not None
        kind = lead.pending.kind
        if kind.apply is not None:
            return
        others = list(self._urgent) if urgent else []
        others += sorted(self._patient, key=_turn) if patient else []
        for job in others:
            if job is not lead and job.pending is not None and job.pending.kind == kind:
                yield job

    def _remove(self, job: Job[Any]) -> None:
        (self._urgent if job.urgent else self._patient).remove(job)


def _turn(job: Job[Any]) -> tuple[float, int]:
    return (job.clock or 0.0, job.number)
