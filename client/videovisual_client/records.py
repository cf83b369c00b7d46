"""Finished results in a folder, from which a stopped run continues.

NAME.json is a result's record: its key, and what it holds. It is written last, and vouches for the
files NAME.npz, NAME.png, … beside it.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from videovisual.utils.files import write_whole
from videovisual.version import __version__


class Storage(Protocol):
    """A folder of files, each of which is there whole or not at all."""

    def read(self, name: str) -> bytes:
        """The content of a file; raises OSError where there is none."""

    def holds(self, name: str) -> bool:
        """Whether there is a file of that name."""

    def write(self, name: str, data: bytes) -> None:
        """Write or replace a file; raises WriteError."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""


class Folder:
    """A folder on this machine's disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str) -> bytes:
        """See `Storage`."""
        return (self._path / name).read_bytes()

    def holds(self, name: str) -> bool:
        """See `Storage`."""
        return (self._path / name).is_file()

    def write(self, name: str, data: bytes) -> None:
        """See `Storage`."""
        write_whole(self._path / name, data)

    def remove(self, name: str) -> None:
        """See `Storage`."""
        (self._path / name).unlink(missing_ok=True)


class Records:
    """The records of a folder."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def find(self, name: str, key: str, kinds: Iterable[str] = ()) -> dict[str, Any] | None:
        """A result's record, if it has this key and its files are there.

        Args:
            name: of the result.
            key: its `content_key`.
            kinds: suffixes of the files that it must have.
        """
        try:
            record: dict[str, Any] = json.loads(self._storage.read(f"{name}.json"))
            same = record["key"] == key and set(kinds) <= set(record["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return None
        whole = same and all(self._storage.holds(f"{name}.{kind}") for kind in kinds)
        return record if whole else None

    def exists(self, name: str) -> bool:
        """Whether a result has a record, of whatever key."""
        return self._storage.holds(f"{name}.json")

    def keep(
        self, name: str, key: str, content: Mapping[str, Any], files: Mapping[str, bytes]
    ) -> dict[str, Any]:
        """Write a result's files, and last its record, which is returned.

        Args:
            name: of the result.
            key: its `content_key`.
            content: what the record holds; JSON values.
            files: by their suffixes.

        Raises:
            WriteError: one can't be written; the result then has no record.
        """
        # Until it is written again, the old record must not vouch for the new files.
        self._storage.remove(f"{name}.json")
        for kind, data in files.items():
            self._storage.write(f"{name}.{kind}", data)
        record = {"key": key, "version": __version__, "files": list(files), **content}
        self._storage.write(f"{name}.json", json.dumps(record, indent=1, default=str).encode())
        return record
