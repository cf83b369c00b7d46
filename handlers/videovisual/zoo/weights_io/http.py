"""Download one file over HTTP; an interrupted download resumes where it stopped."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from videovisual.errors import DownloadError

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here, and the total (None where the server doesn't give it)."""

ATTEMPTS = 5
BACKOFF_S = 0.5
TIMEOUT = httpx.Timeout(60, connect=10)
RETRIED = {408, 425, 429, 500, 502, 503, 504}


class _AttemptFailed(Exception):
    """An attempt failed, and the next one may succeed."""


@dataclass(frozen=True)
class _Partial:
    """The first bytes of a file in `part`, and the server's validator for their edition."""

    part: Path

    @property
    def edition_file(self) -> Path:
        """File that holds the validator."""
        return self.part.with_name(f"{self.part.name}.edition")

    @property
    def validator(self) -> str | None:
        """The server's ETag or Last-Modified for the edition."""
        file = self.edition_file
        return file.read_text("utf-8") if self.size and file.exists() else None

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.part.stat().st_size if self.part.exists() else 0

    def restart(self, validator: str | None) -> None:
        """Begin an empty file for the edition that `validator` names."""
        discard(self.part)
        self.part.touch()
        if validator:
            self.edition_file.write_text(validator, "utf-8")


def download(url: str, part: Path, progress: Progress) -> None:
    """Download `url` to the file `part`, resuming from the bytes there of the same edition.

    A broken connection and a busy server are retried, `ATTEMPTS` attempts in all.

    Raises:
        DownloadError: the server refuses the file, or every attempt failed. The bytes that came
            stay in `part` for the next call.
    """
    partial = _Partial(part)
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(BACKOFF_S * 2 ** (attempt - 1))
        try:
            _attempt(url, partial, progress)
        except _AttemptFailed as failed:
            reason = str(failed)
        else:
            partial.edition_file.unlink(missing_ok=True)
            return
    raise DownloadError(
        f"{url} could not be downloaded: all {ATTEMPTS} attempts failed, the last because "
        f"{reason}. {partial.size} bytes are kept. Try again to resume, or download the file by "
        "other means and give its path.",
        url=url,
        bytes=partial.size,
    )


def discard(part: Path) -> None:
    """Remove what `download` left at `part`."""
    part.unlink(missing_ok=True)
    _Partial(part).edition_file.unlink(missing_ok=True)


def _attempt(url: str, partial: _Partial, progress: Progress) -> None:
    headers = {"Accept-Encoding": "identity"}
    if validator := partial.validator:
        headers |= {"Range": f"bytes={partial.size}-", "If-Range": validator}
    try:
        with httpx.stream(
            "GET", url, headers=headers, timeout=TIMEOUT, follow_redirects=True
        ) as response:
            total = _begin(url, response, partial)
            if total is not None and partial.size == total:
                return
            _write(response, partial, total, progress)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise DownloadError(
            f"{url} is not a valid http(s) address: {error}. Check it.", url=url
        ) from error
    except httpx.HTTPError as error:
        raise _AttemptFailed(str(error) or type(error).__name__) from error
    if total is not None and partial.size != total:
        raise _AttemptFailed(f"{partial.size} of {total} bytes came")


def _begin(url: str, response: httpx.Response, partial: _Partial) -> int | None:
    """Prepare the file for the response's body; returns the size of the whole file in bytes."""
    status = response.status_code
    content_range = response.headers.get("Content-Range", "")
    if status == 206 and content_range.startswith(f"bytes {partial.size}-"):
        return _number(r"/(\d+)$", content_range)
    if status == 416 and partial.size == _number(r"/(\d+)$", content_range):
        return partial.size
    told = f"the server answered {status} {response.reason_phrase}"
    if status in (206, 416):
        discard(partial.part)
        raise _AttemptFailed(f"{told} to a request for the missing bytes")
    if status in RETRIED:
        raise _AttemptFailed(told)
    if status != 200:
        raise DownloadError(
            f"{url}: {told}. Check the address, or download the file by other means and give its "
            "path.",
            url=url,
            http_status=status,
        )
    if _is_encoded(response):
        # Offsets and sizes would count the encoded bytes, so this download can't be resumed.
        partial.restart(None)
        return None
    partial.restart(_validator(response))
    return _number(r"^(\d+)$", response.headers.get("Content-Length", ""))


def _write(
    response: httpx.Response, partial: _Partial, total: int | None, progress: Progress
) -> None:
    here = partial.size
    progress(here, total)
    with partial.part.open("ab") as file:
        for chunk in response.iter_bytes() if _is_encoded(response) else response.iter_raw():
            file.write(chunk)
            here += len(chunk)
            progress(here, total)


def _is_encoded(response: httpx.Response) -> bool:
    """Whether the server compressed the body although `identity` was requested."""
    return bool(response.headers.get("Content-Encoding", "identity") != "identity")


def _validator(response: httpx.Response) -> str | None:
    etag: str = response.headers.get("ETag", "")
    modified: str | None = response.headers.get("Last-Modified")
    # A weak ETag promises the same meaning, not the same bytes.
    return etag if etag and not etag.startswith("W/") else modified


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text)
    return int(found[1]) if found else None
