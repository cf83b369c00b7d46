"""Download one file over HTTP; an interrupted download resumes where it stopped."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from videovisual.errors import DownloadError
from videovisual.utils.network import client_options, network_settings

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here, and the total (None where the server doesn't give it)."""

ATTEMPTS = 5
BACKOFF_S = 0.5
TIMEOUT = httpx.Timeout(60, connect=10)
RETRIED = {408, 425, 429, 500, 502, 503, 504}


class _AttemptFailed(Exception):
    """An attempt failed, and the next one may succeed."""


def download(url: str, part: Path, progress: Progress) -> None:
    """Download `url` to the file `part`, resuming from the bytes there of the same edition.

    A broken connection and a busy server are retried, `ATTEMPTS` attempts in all.

    Raises:
        DownloadError: the server refuses the file, or every attempt failed. The bytes that came
            stay in `part` for the next call.
        NetworkSettingsError: a variable about proxies or certificates can't be used.
    """
    current = _Download(url, part, progress)
    reason = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(BACKOFF_S * 2 ** (attempt - 1))
        try:
            current.attempt()
        except _AttemptFailed as failed:
            reason = str(failed)
        else:
            _edition_file(part).unlink(missing_ok=True)
            return
    raise DownloadError(
        f"{url} could not be downloaded: all {ATTEMPTS} attempts failed, the last because "
        f"{reason}. {current.size} bytes are kept. Try again to resume, or download the file by "
        "other means and give its path.",
        url=url,
        bytes=current.size,
    )


def discard(part: Path) -> None:
    """Remove what `download` left at `part`."""
    part.unlink(missing_ok=True)
    _edition_file(part).unlink(missing_ok=True)


def _edition_file(part: Path) -> Path:
    """File with the server's validator (ETag or Last-Modified) for the edition in `part`."""
    return part.with_name(f"{part.name}.edition")


class _Download:
    """A download whose first bytes may already be in `part`."""

    def __init__(self, url: str, part: Path, progress: Progress) -> None:
        self.url = url
        self.part = part
        self.progress = progress

    @property
    def size(self) -> int:
        """Bytes in `part`."""
        return self.part.stat().st_size if self.part.exists() else 0

    def attempt(self) -> None:
        """Download the missing bytes; raises _AttemptFailed where another attempt may succeed."""
        headers = {"Accept-Encoding": "identity"}
        edition = _edition_file(self.part)
        if self.size and edition.exists():
            headers |= {"Range": f"bytes={self.size}-", "If-Range": edition.read_text("utf-8")}
        try:
            with (
                self._client() as client,
                client.stream("GET", self.url, headers=headers) as response,
            ):
                total = self._begin(response)
                if self.size != total:
                    self._write(response, total)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise DownloadError(
                f"{self.url} is not a valid http(s) address: {error}. Check it.", url=self.url
            ) from error
        except httpx.HTTPError as error:
            raise _AttemptFailed(str(error) or type(error).__name__) from error
        if total not in (None, self.size):
            raise _AttemptFailed(f"{self.size} of {total} bytes came")

    def _client(self) -> httpx.Client:
        options = client_options(httpx.URL(self.url))
        with network_settings():
            return httpx.Client(timeout=TIMEOUT, follow_redirects=True, **options)

    def _begin(self, response: httpx.Response) -> int | None:
        """Prepare `part` for the body; returns the whole file's size in bytes, where known."""
        status = response.status_code
        content_range = response.headers.get("Content-Range", "")
        if status == 206 and content_range.startswith(f"bytes {self.size}-"):
            return _number(r"/(\d+)$", content_range)
        if status == 416 and self.size == _number(r"/(\d+)$", content_range):
            return self.size
        problem = f"the server answered {status} {response.reason_phrase}"
        if status in (206, 416):
            discard(self.part)
            raise _AttemptFailed(f"{problem} to a request for the missing bytes")
        if status in RETRIED:
            raise _AttemptFailed(problem)
        if status != 200:
            raise DownloadError(
                f"{self.url}: {problem}. Check the address, or download the file by other means "
                "and give its path.",
                url=self.url,
                http_status=status,
            )
        discard(self.part)
        self.part.touch()
        if response.headers.get("Content-Encoding", "identity") != "identity":
            # The server's sizes and offsets count compressed bytes: this can't be resumed.
            return None
        if validator := _validator(response):
            _edition_file(self.part).write_text(validator, "utf-8")
        return _number(r"^(\d+)$", response.headers.get("Content-Length", ""))

    def _write(self, response: httpx.Response, total: int | None) -> None:
        here = self.size
        self.progress(here, total)
        with self.part.open("ab") as file:
            for chunk in response.iter_bytes() if total is None else response.iter_raw():
                file.write(chunk)
                here += len(chunk)
                self.progress(here, total)


def _validator(response: httpx.Response) -> str | None:
    etag: str = response.headers.get("ETag", "")
    modified: str | None = response.headers.get("Last-Modified")
    # A weak ETag promises the same meaning, not the same bytes.
    return etag if etag and not etag.startswith("W/") else modified


def _number(pattern: str, text: str) -> int | None:
    found = re.search(pattern, text)
    return int(found[1]) if found else None
