"""One explanation that was asked for in the viewer."""

from __future__ import annotations

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
from videovisual_client.result import Explained

News = dict[str, Any]


class Task:
    """An explanation in a thread of its own, with all that has been told of it.

    Args:
        asker: who answers.
        clip: the clip's file.
        model, method, target, options: as of `BaseClient.submit`.
    """

    def __init__(
        self,
        asker: BaseClient,
        clip: Path,
        model: str,
        method: str,
        target: str,
        options: Mapping[str, Any],
    ) -> None:
        self._asker = asker
        self._clip = clip
        self._asked: dict[str, Any] = {
            "model": model,
            "method": method,
            "target": target,
            **options,
        }
        self._job: Job | None = None
        self._cancelled = False
        self._result: Explained | None = None
        self._news: list[News] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="videovisual-ui", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def cancel(self) -> None:
        """Give it up; what comes after is dropped."""
        with self._changed:
            self._cancelled = True
            job = self._job
        if job is not None:
            # The server is asked, which may take a while; the page is told at once.
            threading.Thread(target=job.cancel, daemon=True).start()
        self._tell({"event": "error", **Cancelled("Cancelled.").as_json()})

    def news(self, known: int, seconds: float) -> tuple[list[News], bool]:
        """What was told after the first `known` pieces, waiting up to `seconds` for some.

        Returns:
            The pieces, and whether there will be no more.
        """
        with self._changed:
            if len(self._news) <= known and not self._over():
                self._changed.wait(seconds)
            return self._news[known:], self._over()

    def result(self) -> Explained:
        """What was found.

        Raises:
            InvalidRequest: it isn't done, or failed.
        """
        with self._changed:
            if self._result is None:
                raise InvalidRequest("There is no result: the task is not done, or it failed.")
            return self._result

    def _over(self) -> bool:
        return bool(self._news) and self._news[-1]["event"] in ("done", "error")

    def _tell(self, piece: News) -> None:
        with self._changed:
            if not self._over():
                self._news.append(piece)
                self._changed.notify_all()

    def _run(self) -> None:
        try:
            with self._asker.submit(self._clip, **self._asked) as job:
                with self._changed:
                    self._job = job
                    cancelled = self._cancelled
                if cancelled:
                    job.cancel()
                    return
                self._tell({"event": "accepted", "queue": job.queue})
                for event in job:
                    if isinstance(event, Progress):
                        self._tell({"event": "progress", **asdict(event)})
                result = job.result()
        except VideoVisualError as error:
            self._tell({"event": "error", **error.as_json()})
        except Exception as error:
            # The page must be told, or it would wait for ever.
            self._tell({"event": "error", **VideoVisualError(f"It failed: {error}").as_json()})
            raise
        else:
            with self._changed:
                self._result = result
            self._tell({"event": "done"})
