"""Many clips side by side, their results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from videovisual_client.errors import VideoVisualError
from videovisual_client.job import Job
from videovisual_client.result import Explained

CONCURRENCY = 4
AHEAD = 2
"""So many items a worker are taken up before the first one's result is taken."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    concurrency: int = CONCURRENCY,
    stop: Callable[[], None] = lambda: None,
) -> Generator[Result | VideoVisualError, None, None]:
    """Do the work on each item, some at a time, and give the results in the items' order.

    Args:
        work: called in threads.
        items: taken as they are needed.
        concurrency: how many at once.
        stop: called when the results are no longer wanted; it may hasten the work's end.

    Yields:
        What the work returned, or the error of ours that it raised.
    """
    executor = ThreadPoolExecutor(concurrency, thread_name_prefix="videovisual-many")
    window: deque[Future[Result]] = deque()
    remaining = iter(items)
    try:
        while True:
            while len(window) < AHEAD * concurrency:
                try:
                    item = next(remaining)
                except StopIteration:
                    break
                window.append(executor.submit(work, item))
            if not window:
                return
            try:
                result: Result | VideoVisualError = window[0].result()
            except VideoVisualError as error:
                result = error
            window.popleft()
            yield result
    finally:
        for future in window:
            future.cancel()
        stop()
        executor.shutdown(wait=True)


class Jobs:
    """The jobs under way, so that they can be cancelled together."""

    def __init__(self) -> None:
        self._running: set[Job] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, job: Job) -> Explained:
        """Wait for a job, which `cancel` ends."""
        with self._lock:
            self._running.add(job)
            stopped = self._stopped
        if stopped:
            job.cancel()
        try:
            with job:
                return job.result()
        finally:
            with self._lock:
                self._running.discard(job)

    def cancel(self) -> None:
        """Cancel those that run and those that are yet to."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for job in running:
            job.cancel()
