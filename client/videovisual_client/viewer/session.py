"""What lies on the desk: the clips that were dropped in, and what was asked about them."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from videovisual.errors import InvalidRequest
from videovisual_client.base_client import BaseClient
from videovisual_client.viewer.task import Task

MAX_CLIPS = 16
MAX_TASKS = 24
"""Older ones are put away when there are more; a map takes tens of megabytes."""

Thing = TypeVar("Thing")


@dataclass(frozen=True)
class Clip:
    """A clip that was dropped in.

    Attributes:
        name: what the user's file was called; shown, never used as a path.
        path: where its bytes are.
    """

    name: str
    path: Path


class Recent(Generic[Thing]):
    """The latest things by their ids, which nobody can guess."""

    def __init__(self, kind: str, most: int) -> None:
        self._kind = kind
        self._most = most
        self._things: dict[str, Thing] = {}
        self._lock = threading.Lock()

    def add(self, thing: Thing) -> tuple[str, list[Thing]]:
        """Put a thing there; its id, and what had to go for it."""
        number = secrets.token_hex(8)
        with self._lock:
            self._things[number] = thing
            surplus = list(self._things)[: -self._most]
            return number, [self._things.pop(old) for old in surplus]

    def get(self, number: str) -> Thing:
        """The thing of that id.

        Raises:
            InvalidRequest: it was never there, or has been put away.
        """
        with self._lock:
            if number not in self._things:
                raise InvalidRequest(
                    f"There is no such {self._kind} here; only the last {self._most} are kept."
                )
            return self._things[number]

    def all(self) -> list[Thing]:
        """Everything that is there."""
        with self._lock:
            return list(self._things.values())


class Session:
    """Clips and tasks of one viewer; a context manager, which leaves nothing behind.

    Args:
        asker: who answers: a server or this process.
    """

    def __init__(self, asker: BaseClient) -> None:
        self._asker = asker
        self._folder = Path(tempfile.mkdtemp(prefix="videovisual-ui-"))
        self._clips: Recent[Clip] = Recent("clip", MAX_CLIPS)
        self._tasks: Recent[Task] = Recent("task", MAX_TASKS)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks.all():
            task.cancel()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_file(self) -> Path:
        """Where a clip may be written."""
        return self._folder / secrets.token_hex(8)

    def add_clip(self, path: Path, name: str) -> str:
        """Keep a clip; its id."""
        number, gone = self._clips.add(Clip(name, path))
        for clip in gone:
            clip.path.unlink(missing_ok=True)
        return number

    def start(
        self, clip: str, model: str, method: str, target: str, options: Mapping[str, Any]
    ) -> str:
        """Begin an explanation; the task's id.

        Raises:
            InvalidRequest: there is no such clip any more.
        """
        task = Task(self._asker, self._clips.get(clip).path, model, method, target, options)
        number, gone = self._tasks.add(task)
        for old in gone:
            old.cancel()
        task.start()
        return number

    def task(self, number: str) -> Task:
        """The task of that id.

        Raises:
            InvalidRequest: there is none, or it has been put away.
        """
        return self._tasks.get(number)
