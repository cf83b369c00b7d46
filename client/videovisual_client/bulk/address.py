"""Files at fsspec's addresses: a path, `file://…`, `s3://bucket/…`, `gs://bucket/…`, `memory://…`."""

import posixpath
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

from videovisual.clips import Limits
from videovisual.errors import InvalidRequest, VideoVisualError, WriteError
from videovisual.utils.text import shown

DRAFTS = "drafts"
"""Where files are written before they get their name; a killed run leaves some."""


def opened(address: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of an address, and the path in it.

    Raises:
        InvalidRequest: no such file system is known, or its package is not installed.
    """
    try:
        # Listings that are kept would hide what other processes write.
        system, path = fsspec.core.url_to_fs(address, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise InvalidRequest(
            f"{shown(address)} can't be opened: {shown(error, 200)}. Give a path, or an address "
            "that fsspec knows and whose package is installed, as s3fs for s3://."
        ) from None
    return system, path.rstrip("/")


def is_local(system: fsspec.AbstractFileSystem) -> bool:
    """Whether it is this machine's own."""
    return isinstance(system, LocalFileSystem)


def read_clip(address: str) -> Path | bytes:
    """A clip's bytes; of a folder of frames, which is on a disk, its path.

    Raises:
        InvalidRequest: it can't be read.
        TooLarge: it has more bytes than are read.
    """
    system, path = opened(address)
    if is_local(system) and Path(path).is_dir():
        return Path(path)
    with reading(address):
        size = system.size(path)
        if size is not None:
            Limits().check_bytes(size)
        data: bytes = system.cat_file(path)
    return data


class Output:
    """A folder at an address; see `videovisual_client.records.Storage`."""

    def __init__(self, address: str) -> None:
        self._system, self._root = opened(address)
        self._made: set[str] = set()

    def read(self, name: str) -> bytes:
        """The content of a file; raises OSError where there is none."""
        data: bytes = self._system.cat_file(self._path(name))
        return data

    def holds(self, name: str) -> bool:
        """Whether there is a file of that name."""
        return bool(self._system.isfile(self._path(name)))

    def write(self, name: str, data: bytes) -> None:
        """Write a file under another name, and then rename it.

        Raises:
            WriteError: it can't be written.
        """
        path, draft = self._path(name), self._path(f"{DRAFTS}/{secrets.token_hex(8)}")
        with _writable(path):
            for folder in {posixpath.dirname(path), posixpath.dirname(draft)} - self._made:
                self._system.makedirs(folder, exist_ok=True)
                self._made.add(folder)
            self._system.pipe_file(draft, data)
            self._system.mv(draft, path)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there; raises WriteError."""
        path = self._path(name)
        with _writable(path), suppress(FileNotFoundError):
            self._system.rm_file(path)

    def clear(self, folder: str) -> None:
        """Remove a folder of it with all that is in it, if it is there; raises WriteError."""
        path = self._path(folder)
        with _writable(path), suppress(FileNotFoundError):
            self._system.rm(path, recursive=True)
            self._made.discard(path)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


@contextmanager
def reading(address: str) -> Iterator[None]:
    """Whatever a file system raises is an InvalidRequest."""
    try:
        yield
    except VideoVisualError:
        raise
    except Exception as error:
        raise InvalidRequest(f"{shown(address)} can't be read: {_reason(error)}.") from error


@contextmanager
def _writable(path: str) -> Iterator[None]:
    """Whatever a file system raises is a WriteError."""
    try:
        yield
    except Exception as error:
        raise WriteError(
            f"{path[-200:]} can't be written: {_reason(error)}. Choose another place for --out.",
            path=path,
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    said = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
    return shown(said, 200)
