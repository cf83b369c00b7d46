"""One file over HTTP, taken up again where a connection broke off."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests

from videovisual.errors import DownloadError

Progress = Callable[[int, int | None], None]
"""(bytes here, bytes in all or None where the server doesn't say)"""

ATTEMPTS = 5
BACKOFF_S = 0.5
TIMEOUT_S = (10, 60)
CHUNK = 1 << 16
RETRIED = {408, 425, 429, 500, 502, 503, 504}


class _CutOffError(Exception):
    """An attempt that failed in a way that another may not."""


@dataclass(frozen=True)
class _Partial:
    """What is here of a file: its first bytes, and which edition of the file they are of."""

    part: Path

    @property
    def edition_file(self) -> Path:
        """Where the validator is kept."""
        return self.part.with_name(f"{self.part.name}.edition")

    @property
    def validator(self) -> str | None:
        """The server's ETag or Last-Modified for the edition."""
        file = self.edition_file
        return file.read_text("utf-8") if self.size and file.exists() else None

    @property
    def size(self) -> int:
        """Bytes here."""
        return self.part.stat().st_size if self.part.exists() else 0

    def restart(self, validator: str | None) -> None:
        """Forget what is here; the bytes to come are of the edition `validator`."""
        self.discard()
        self.part.touch()
        if validator:
            self.edition_file.write_text(validator, "utf-8")

    def discard(self) -> None:
        """Remove all traces."""
        self.part.unlink(missing_ok=True)
        self.edition_file.unlink(missing_ok=True)


def download(url: str, part: Path, progress: Progress) -> None:
    """Fetch `url` into the file `part`, whole, going on from what is there of the same edition.

    A connection that is cut, or a server that is busy, is tried again `ATTEMPTS` times in all.

    Raises:
        DownloadError: the server refuses the file, or all attempts were cut off; what has come
            is kept for the next call.
    """
    partial = _Partial(part)
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(BACKOFF_S * 2 ** (attempt - 1))
        try:
            _attempt(url, partial, progress)
        except _CutOffError as cut:
            reason = str(cut)
        else:
            partial.edition_file.unlink(missing_ok=True)
            return
    raise DownloadError(
        f"{url} was tried {ATTEMPTS} times without success, at last: {reason}. {partial.size} "
        "bytes are kept; try again to go on from there, or fetch the file otherwise and give it.",
        url=url,
        bytes=partial.size,
    )


def discard(part: Path) -> None:
    """Remove what `download` has left at `part`."""
    _Partial(part).discard()


def _attempt(url: str, partial: _Partial, progress: Progress) -> None:
    headers = {"Accept-Encoding": "identity"}
    if validator := partial.validator:
        headers |= {"Range": f"bytes={partial.size}-", "If-Range": validator}
    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT_S) as response:
            total = _begin(url, response, partial)
            if total is not None and partial.size == total:
                return
            _write(response, partial, total, progress)
    except requests.exceptions.InvalidURL as error:
        raise DownloadError(f"{url} is no address: {error}.", url=url) from error
    except requests.RequestException as error:
        raise _CutOffError(str(error)) from error
    if total is not None and partial.size != total:
        raise _CutOffError(f"{partial.size} of {total} bytes came")


def _begin(url: str, response: requests.Response, partial: _Partial) -> int | None:
    """Take the answer's head: where its bytes go, and how many there are in all."""
    status = response.status_code
    content_range = response.headers.get("Content-Range", "")
    if status == 206 and content_range.startswith(f"bytes {partial.size}-"):
        return _number(r"/(\d+)$", content_range)
    if status == 416 and partial.size == _number(r"/(\d+)$", content_range):
        return partial.size
    if status in (206, 416):
        partial.discard()
        raise _CutOffError(f"the server answered {status} for bytes from {partial.size} on")
    if status in RETRIED:
        raise _CutOffError(f"the server answered {status} {response.reason}")
    if status != 200:
        raise DownloadError(
            f"{url}: the server answered {status} {response.reason}. Check the address, or fetch "
            "the file otherwise and give it.",
            url=url,
            http_status=status,
        )
    partial.restart(_validator(response))
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return None
    return _number(r"^(\d+)$", response.headers.get("Content-Length", ""))


def _write(
    response: requests.Response, partial: _Partial, total: int | None, progress: Progress
) -> None:
    here = partial.size
    progress(here, total)
    with partial.part.open("ab") as file:
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            here += len(chunk)
            progress(here, total)


def _validator(response: requests.Response) -> str | None:
    # A weak ETag says that two editions mean the same, not that their bytes are the same.
    etag = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    return response.headers.get("Last-Modified")


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text)
    return int(found[1]) if found else None
