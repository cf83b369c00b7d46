"""The clips and tasks of one run of the viewer."""

import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

from videovisual.errors import InvalidRequest
from videovisual_client.base_client import BaseClient
from videovisual_client.request import Target
from videovisual_client.viewer.task import Task

MAX_CLIPS = 16
MAX_TASKS = 24
"""Older tasks are dropped, because a map takes tens of megabytes."""

Item = TypeVar("Item")


class Recent(Generic[Item]):
    """Keeps the latest items under ids that nobody can guess.

    Args:
        kind: the items' name in messages.
        most: how many items to keep.
        drop: called with each older item.
    """

    def __init__(self, kind: str, most: int, drop: Callable[[Item], None]) -> None:
        self._kind = kind
        self._most = most
        self._drop = drop
        self._items: dict[str, Item] = {}
        self._lock = threading.Lock()

    def add(self, item: Item) -> str:
        """Add an item, and return its id."""
        key = secrets.token_hex(8)
        with self._lock:
            self._items[key] = item
            dropped = [self._items.pop(old) for old in list(self._items)[: -self._most]]
        for old_item in dropped:
            self._drop(old_item)
        return key

    def get(self, key: str) -> Item:
        """The item of an id.

        Raises:
            InvalidRequest: the id is unknown, or its item was dropped.
        """
        with self._lock:
            if key not in self._items:
                raise InvalidRequest(
                    f"There is no such {self._kind}; only the last {self._most} are kept."
                )
            return self._items[key]

    def clear(self) -> None:
        """Drop all items."""
        with self._lock:
            items, self._items = self._items, {}
        for item in items.values():
            self._drop(item)


class Session:
    """The clips and tasks of one viewer. A context manager that deletes them at the end."""

    def __init__(self, client: BaseClient) -> None:
        self._client = client
        self._folder = Path(tempfile.mkdtemp(prefix="videovisual-ui-"))
        self._clips: Recent[Path] = Recent(
            "clip", MAX_CLIPS, lambda path: path.unlink(missing_ok=True)
        )
        self._tasks: Recent[Task] = Recent("task", MAX_TASKS, Task.cancel)

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self._tasks.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def new_file(self) -> Path:
        """A path for a new clip; its name is random and never the uploaded file's."""
        return self._folder / secrets.token_hex(8)

    def add_clip(self, path: Path) -> str:
        """Keep a clip, and return its id."""
        return self._clips.add(path)

    def start(
        self, clip: str, model: str, method: str, target: Target, options: Mapping[str, Any]
    ) -> str:
        """Start an explanation, and return the task's id."""
        task = Task(self._client, self._clips.get(clip), model, method, target, options)
        key = self._tasks.add(task)
        task.start()
        return key

    def task(self, key: str) -> Task:
        """The task of an id."""
        return self._tasks.get(key)
