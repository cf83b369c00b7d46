"""What the viewer keeps on disk: clips with their results, and reports, up to a limit.

Each entry is a folder. `entry.json` is written last and says what it is: a clip with its results,
or a report. Each result is `ID.json`, its facts, beside `ID.answer` and `ID.jpg`.
"""

import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from videovisual.errors import InvalidRequest, WriteError
from videovisual.utils.files import write_whole

ENTRY = "entry.json"
CONTENT = "content"
UNFINISHED_NS = 24 * 3600 * 10**9

Facts = dict[str, Any]


class History:
    """The entries of a folder. Its methods may be called from several threads.

    Args:
        folder: made if needed, readable by its user only.
        max_bytes: above this size the entries that were used longest ago are removed.

    Raises:
        WriteError: the folder can't be made.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._lock = threading.RLock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise WriteError(
                f"{folder} can't be made: {error.strerror}. Set VIDEOVISUAL_CACHE to a folder that "
                "can be written, or keep nothing with --keep 0.",
                path=str(folder),
            ) from None
        # Uploads that an earlier viewer did not finish have no facts. Those that another one is
        # receiving now are younger.
        stale = time.time_ns() - UNFINISHED_NS
        for path in self.folder.iterdir():
            if path.is_dir() and not (path / ENTRY).exists() and _used_ns(path) < stale:
                shutil.rmtree(path, ignore_errors=True)
        self._at_most = self.size()

    def new(self) -> str:
        """The id of a new entry, which nobody can guess; its folder exists."""
        key = secrets.token_hex(8)
        try:
            (self.folder / key).mkdir(mode=0o700)
        except OSError as error:
            raise WriteError(
                f"{self.folder} can't be written: {error.strerror}. Make room, or keep nothing "
                "with --keep 0.",
                path=str(self.folder),
            ) from None
        return key

    def content(self, key: str) -> Path:
        """The path of an entry's file; it may not exist."""
        return self._path(key) / CONTENT

    def add(self, key: str, kind: str, name: str, **facts: Any) -> Facts:
        """Keep a new entry, whose content is written; the facts are JSON values."""
        return self._write(
            self._path(key) / ENTRY, {"id": key, "kind": kind, "name": name, **facts}
        )

    def add_result(self, clip: str, key: str, files: Mapping[str, bytes], facts: Facts) -> Facts:
        """Keep a result of a clip: its files by their suffix, and its facts.

        Raises:
            InvalidRequest: the clip was removed meanwhile.
            WriteError: it can't be written.
        """
        self.entry(clip, "clip")
        folder = self._path(clip)
        for suffix, data in files.items():
            write_whole(folder / f"{key}.{suffix}", data)
        return self._write(folder / f"{key}.json", {"id": key, "clip": clip, **facts})

    def entry(self, key: str, kind: str) -> Facts:
        """The facts of an entry.

        Raises:
            InvalidRequest: there is none, or it was removed.
        """
        facts = _read(self._path(key) / ENTRY)
        if facts is None or facts["kind"] != kind:
            raise InvalidRequest(f"There is no such {kind}: it was deleted, or others replaced it.")
        return facts

    def entries(self, kind: str) -> list[Facts]:
        """The facts of all entries of a kind, newest first."""
        found = (_read(path) for path in self.folder.glob(f"*/{ENTRY}"))
        return _newest_first(facts for facts in found if facts and facts["kind"] == kind)

    def results(self, clip: str = "*") -> list[Facts]:
        """The facts of the results, newest first: of all clips, or of one."""
        paths = self.folder.glob(f"{clip}/????????????????.json")
        return _newest_first(facts for path in paths if (facts := _read(path)))

    def result(self, key: str) -> Facts:
        """The facts of a result; raises as `entry`."""
        path = next(self.folder.glob(f"*/{_checked(key)}.json"), None)
        facts = path and _read(path)
        if not facts:
            raise InvalidRequest("There is no such result: it was deleted, or others replaced it.")
        return facts

    def result_file(self, facts: Facts, suffix: str) -> Path:
        """The path of a result's file."""
        return self._path(facts["clip"]) / f"{facts['id']}.{suffix}"

    def remove(self, key: str) -> None:
        """Remove an entry, or a result, and its clip with its last result."""
        with self._lock:
            if self._path(key).is_dir():
                shutil.rmtree(self._path(key), ignore_errors=True)
                return
            facts = self.result(key)
            for path in self._path(facts["clip"]).glob(f"{key}.*"):
                path.unlink(missing_ok=True)
            if not self.results(facts["clip"]):
                self.remove(facts["clip"])

    def clear(self) -> None:
        """Remove everything."""
        for path in self.folder.iterdir():
            shutil.rmtree(path, ignore_errors=True)

    def size(self) -> int:
        """Bytes of all files."""
        return sum(_size(path) for path in self.folder.iterdir())

    def _write(self, path: Path, facts: Facts) -> Facts:
        facts["time"] = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        write_whole(path, json.dumps(facts))
        self._trim(path.parent)
        return facts

    def _trim(self, newest: Path) -> None:
        """Remove the oldest entries above the limit, but never the newest."""
        with self._lock:
            os.utime(newest, ns=(time.time_ns(),) * 2)
            # Of an entry that is written again all counts again, so that no folder is read until
            # the limit may have been reached.
            self._at_most += _size(newest)
            if self._at_most <= self.max_bytes:
                return
            sizes = {path: _size(path) for path in sorted(self.folder.iterdir(), key=_used_ns)}
            self._at_most = sum(sizes.values())
            for path, size in sizes.items():
                if self._at_most <= self.max_bytes:
                    return
                if path != newest and (path / ENTRY).exists():
                    shutil.rmtree(path, ignore_errors=True)
                    self._at_most -= size

    def _path(self, key: str) -> Path:
        return self.folder / _checked(key)


def _checked(key: str) -> str:
    if len(key) != 16 or not set(key) <= set("0123456789abcdef"):
        raise InvalidRequest("That is no id of the viewer's.")
    return key


def _read(path: Path) -> Facts | None:
    """The facts of a file; None where there is none, as another viewer may have removed it."""
    try:
        facts = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return facts if isinstance(facts, dict) and {"id", "time"} <= facts.keys() else None


def _newest_first(found: Iterator[Facts]) -> list[Facts]:
    return sorted(found, key=lambda facts: str(facts["time"]), reverse=True)


def _used_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _size(folder: Path) -> int:
    sizes = 0
    for path in folder.glob("*"):
        try:
            sizes += path.stat().st_size
        except OSError:
            continue
    return sizes
