"""One explanation that the viewer runs."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from videovisual.errors import VideoVisualError
from videovisual_client.base_client import BaseClient
from videovisual_client.errors import Cancelled
from videovisual_client.events import Partial, Progress
from videovisual_client.job import Job
from videovisual_client.result import Explained
from videovisual_client.viewer import pictures

Event = dict[str, Any]

PARTIAL_EVERY_S = 2
"""How often a search shows its best map so far."""


class Task:
    """An explanation in a thread of its own, with all its events.

    Args:
        client: computes it.
        clip: the clip's file.
        request: the options of `BaseClient.submit`.
        keep: keeps the result, and returns what the last event says of it.
    """

    def __init__(
        self,
        client: BaseClient,
        clip: Path,
        request: Mapping[str, Any],
        keep: Callable[[Explained], Any],
    ) -> None:
        self.request = request
        self._client = client
        self._clip = clip
        self._keep = keep
        self._job: Job | None = None
        self._cancelled = False
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
            if len(self._events) <= start and not self.ended:
                self._changed.wait(timeout_s)
            return self._events[start:], self.ended

    @property
    def ended(self) -> bool:
        """Whether the last event was added."""
        return bool(self._events) and self._events[-1]["event"] in ("done", "error")

    def _add(self, event: Event) -> None:
        with self._changed:
            if not self.ended:
                self._events.append(event)
                self._changed.notify_all()

    def _run(self) -> None:
        try:
            options = {"partial_every_s": PARTIAL_EVERY_S, **self.request}
            with self._client.submit(self._clip, **options) as job:
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
                    elif isinstance(event, Partial):
                        picture = pictures.of_partial(event.method, event.map)
                        self._add({"event": "partial", "step": event.step, "picture": picture})
                result = job.result()
            if not self._cancelled:
                self._add({"event": "done", "result": self._keep(result)})
        except VideoVisualError as error:
            self._add({"event": "error", **error.as_json()})
        except Exception as error:
            # Without an event the page would wait for ever.
            self._add({"event": "error", **VideoVisualError(f"It failed: {error}").as_json()})
            raise
