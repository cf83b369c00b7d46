"""Whose turn it is. No threads, no network: queues and their rule."""

from __future__ import annotations

import heapq
from collections import deque
from typing import Any

from videovisual.engine.job import Job


class Scheduler:
    """Classifications first, in order of arrival; explanations by stride scheduling.

    Each explanation has a clock that a step moves on by `2 ** -priority`; the one whose clock is
    furthest behind goes next, and a new one starts at the time of the last that went. So shares
    are in proportion to `2 ** priority`, and nobody starves (Waldspurger & Weihl 1995).
    """

    def __init__(self) -> None:
        self._urgent: deque[Job[Any]] = deque()
        self._turns: list[tuple[float, int, Job[Any]]] = []
        self._clocks: dict[int, float] = {}
        self._now = 0.0

    def __len__(self) -> int:
        return len(self._urgent) + len(self._turns)

    def add(self, job: Job[Any]) -> None:
        """Let a job in, or back in after its step."""
        if job.urgent:
            self._urgent.append(job)
            return
        clock = max(self._clocks.pop(job.number, 0.0), self._now)
        heapq.heappush(self._turns, (clock, job.number, job))

    def next(self) -> Job[Any] | None:
        """Take out the job whose step is next; None if there is none."""
        if self._urgent:
            return self._urgent.popleft()
        if not self._turns:
            return None
        self._now, _, job = heapq.heappop(self._turns)
        self._clocks[job.number] = self._now + 2.0**-job.priority
        return job

    def forget(self, job: Job[Any]) -> None:
        """Drop what is kept of a job that won't come back."""
        self._clocks.pop(job.number, None)
