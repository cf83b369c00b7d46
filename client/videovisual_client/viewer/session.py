"""The clips, tasks, results and reports of the viewer."""

import io
import secrets
import threading
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from videovisual import motion
from videovisual.errors import InvalidRequest, VideoVisualError
from videovisual.protocol import Answer
from videovisual.protocol.caveats import caveats
from videovisual.render.thumbnail import thumbnail
from videovisual_client.base_client import BaseClient
from videovisual_client.request import Target
from videovisual_client.result import Explained
from videovisual_client.viewer import pictures
from videovisual_client.viewer.agreement import agreement
from videovisual_client.viewer.history import Facts, History
from videovisual_client.viewer.task import Task

MAX_TASKS = 1000
"""Older tasks are forgotten; their results stay in the history."""

SAMPLE = 3
SAMPLE_FPS = 8.0
"""The sample is a clip of Motion, at the rate that its models are shown clips at."""

REPORTS = ("audit.html", "diff.html")
"""The reports of `videovisual audit` and `videovisual diff`."""


class Session:
    """The work of one viewer. A context manager that cancels all tasks at the end.

    Args:
        client: explains the clips.
        history: keeps clips, results and uploaded reports.
        results: the folder of the commands' results, in which reports are found.
    """

    def __init__(self, client: BaseClient, history: History, results: Path | None = None) -> None:
        self.history = history
        self._client = client
        self._results = results
        self._tasks: dict[str, Task] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            tasks, self._tasks = self._tasks, {}
        for task in tasks.values():
            task.cancel()

    def add_clip(self, key: str, name: str) -> Facts:
        """Keep a new clip, whose content is written.

        Raises:
            VideoVisualError: this is no clip.
        """
        path = self.history.content(key)
        about, picture = pictures.opened(path)
        path.with_suffix(".jpg").write_bytes(picture)
        return self.history.add(key, "clip", name, about=about, bytes=path.stat().st_size)

    def add_sample(self) -> Facts:
        """Keep a clip to try: one of Motion, on which the small models were trained."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, frames=motion.sample(SAMPLE).frames, fps=SAMPLE_FPS)
        key = self.history.new()
        self.history.content(key).write_bytes(buffer.getvalue())
        return self.add_clip(key, "sample-of-motion.npz")

    def start(
        self, clip: str, model: str, method: str, target: Target, options: Mapping[str, Any]
    ) -> str:
        """Start an explanation, and return the task's id, which becomes the result's."""
        name = self.history.entry(clip, "clip")["name"]
        key = secrets.token_hex(8)
        request = {"model": model, "method": method, "target": target, **options}
        task = Task(
            self._client,
            self.history.content(clip),
            request,
            lambda result: self._keep(key, clip, name, options, result),
        )
        with self._lock:
            self._tasks[key] = task
            for old in list(self._tasks)[:-MAX_TASKS]:
                self._tasks.pop(old).cancel()
        task.start()
        return key

    def task(self, key: str) -> Task:
        """The task of an id.

        Raises:
            InvalidRequest: there is none, or it was forgotten.
        """
        with self._lock:
            if key not in self._tasks:
                raise InvalidRequest("There is no such task: the viewer was started again.")
            return self._tasks[key]

    def running(self) -> list[Facts]:
        """The tasks that have not ended."""
        with self._lock:
            tasks = list(self._tasks.items())
        return [{"id": key, **task.request} for key, task in tasks if not task.ended]

    def result(self, key: str) -> tuple[Facts, Explained]:
        """A kept result.

        Raises:
            InvalidRequest: it was deleted.
        """
        facts = self.history.result(key)
        try:
            answer = Answer.model_validate_json(
                self.history.result_file(facts, "answer").read_bytes()
            )
        except (OSError, ValueError):
            raise InvalidRequest(
                "This result is damaged, or was deleted. Explain it again."
            ) from None
        return facts, Explained(answer, self.history.content(facts["clip"]))

    def reports(self) -> list[Facts]:
        """The reports: those of the results' folder first, then the uploaded ones."""
        found = [{"id": key, "name": _named(path)} for key, path in self._found().items()]
        return [*found, *self.history.entries("report")]

    def report(self, key: str) -> bytes:
        """The page of a report.

        Raises:
            InvalidRequest: there is none.
        """
        path = self._found().get(key)
        if path is None:
            path = self.history.content(self.history.entry(key, "report")["id"])
        try:
            return path.read_bytes()
        except OSError as error:
            raise InvalidRequest(f"This report can't be read: {error.strerror}.") from None

    def _found(self) -> dict[str, Path]:
        """The reports in the results' folder, by ids that stay the same."""
        if self._results is None:
            return {}
        paths = sorted(path for name in REPORTS for path in self._results.glob(f"*/*/{name}"))
        return {sha256(str(path).encode()).hexdigest()[:16]: path for path in paths}

    def _keep(
        self, key: str, clip: str, name: str, options: Mapping[str, Any], result: Explained
    ) -> Facts:
        """Keep a result, with what the gallery shows and filters by."""
        explanation = result.explanations[0]
        picture = b""
        with suppress(VideoVisualError):
            picture = thumbnail(result.source_frames(), result.saliency)
        best = result.predictions[0]
        return self.history.add_result(
            clip,
            key,
            {"answer": result.answer.model_dump_json().encode(), "jpg": picture},
            {
                "name": name,
                "model": result.model,
                "method": explanation.method,
                "target": explanation.target.model_dump(mode="json"),
                "best": best.model_dump(mode="json"),
                "doubts": list(caveats(explanation)),
                "options": dict(options),
                "agreement": self._agreement(clip, result),
            },
        )

    def _agreement(self, clip: str, result: Explained) -> dict[str, float]:
        """How far the map agrees with those of other methods, by the results' ids."""
        found = {}
        this = result.explanations[0]
        for facts in self.history.results(clip):
            same = facts["model"] == result.model and facts["target"]["index"] == this.target.index
            if same and facts["method"] != this.method:
                with suppress(VideoVisualError):
                    other = self.result(facts["id"])[1].saliency
                    value = agreement(result.saliency.map, other.map)
                    if value is not None:
                        found[facts["id"]] = round(value, 3)
        return found


def _named(path: Path) -> str:
    return f"{path.stem} {path.parent.name}"
