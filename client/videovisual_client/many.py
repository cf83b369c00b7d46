"""Work on many clips at once, with the results in order."""

import itertools
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
"""How many items per worker are started before the first result is taken."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def concurrently(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    concurrency: int = CONCURRENCY,
    stop: Callable[[], None] = lambda: None,
) -> Generator[Result | VideoVisualError, None, None]:
    """Work on items in threads, and yield the results in the order of the items.

    Args:
        work: called in a thread.
        items: read as needed.
        concurrency: how many items at once.
        stop: called when the generator is closed; it may end running work early.

    Yields:
        What `work` returned, or the `VideoVisualError` that it raised.
    """
    executor = ThreadPoolExecutor(concurrency, thread_name_prefix="videovisual-many")
    window: deque[Future[Result]] = deque()
    remaining = iter(items)
    try:
        while True:
            for item in itertools.islice(remaining, AHEAD * concurrency - len(window)):
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
    """Running jobs that can be cancelled together."""

    def __init__(self) -> None:
        self._running: set[Job] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def run(self, job: Job) -> Explained:
        """Wait for a job's result; `cancel` ends the job."""
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
        """Cancel the running jobs, and those that start later."""
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for job in running:
            job.cancel()
