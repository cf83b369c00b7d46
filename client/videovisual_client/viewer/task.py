"""One explanation that the viewer runs."""

import threading
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from videovisual.errors import InvalidRequest, VideoVisualError
from videovisual_client.base_client import BaseClient
from videovisual_client.errors import Cancelled
from videovisual_client.events import Progress
from videovisual_client.job import Job
from videovisual_client.request import Target
from videovisual_client.result import Explained

Event = dict[str, Any]


class Task:
    """An explanation in a thread of its own, with all its events."""

    def __init__(
        self,
        client: BaseClient,
        clip: Path,
        model: str,
        method: str,
        target: Target,
        options: Mapping[str, Any],
    ) -> None:
        self._client = client
        self._clip = clip
        self._request = {"model": model, "method": method, "target": target, **options}
        self._job: Job | None = None
        self._cancelled = False
        self._result: Explained | None = None
        self._events: list[Event] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="videovisual-ui", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def cancel(self) -> None:
        """Cancel the explanation; later events are dropped."""
        with self._changed:
            self._cancelled = True
            job = self._job
        if job is not None:
            # In a thread, so that the page need not wait for the server's response.
            threading.Thread(target=job.cancel, daemon=True).start()
        self._add({"event": "error", **Cancelled("Cancelled.").as_json()})

    def events(self, start: int, timeout_s: float) -> tuple[list[Event], bool]:
        """The events from index `start` on, after waiting up to `timeout_s` seconds for one.

        Returns:
            The events, and whether the task has ended.
        """
        with self._changed:
            if len(self._events) <= start and not self._ended():
                self._changed.wait(timeout_s)
            return self._events[start:], self._ended()

    def result(self) -> Explained:
        """The result.

        Raises:
            InvalidRequest: the task is not done, or it failed.
        """
        with self._changed:
            if self._result is None:
                raise InvalidRequest("There is no result: the task is not done, or it failed.")
            return self._result

    def _ended(self) -> bool:
        return bool(self._events) and self._events[-1]["event"] in ("done", "error")

    def _add(self, event: Event) -> None:
        with self._changed:
            if not self._ended():
                self._events.append(event)
                self._changed.notify_all()

    def _run(self) -> None:
        try:
            with self._client.submit(self._clip, **self._request) as job:
                with self._changed:
                    self._job = job
                    cancelled = self._cancelled
                if cancelled:
                    job.cancel()
                    return
                self._add({"event": "accepted", "queue": job.queue})
                for event in job:
                    if isinstance(event, Progress):
                        self._add({"event": "progress", **asdict(event)})
                result = job.result()
        except VideoVisualError as error:
            self._add({"event": "error", **error.as_json()})
        except Exception as error:
            # Without an event the page would wait for ever.
            self._add({"event": "error", **VideoVisualError(f"It failed: {error}").as_json()})
            raise
        else:
            with self._changed:
                self._result = result
            self._add({"event": "done"})
