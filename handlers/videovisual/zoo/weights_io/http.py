"""Download one file over HTTP; an interrupted download resumes where it stopped."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import httpx

from videovisual.errors import DownloadError
from videovisual.utils.network import client_options, network_settings

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here, and the total (None where the server doesn't give it)."""

Result = TypeVar("Result")

ATTEMPTS = 5
MAX_REDIRECTS = 5
BACKOFF_S = 0.5
TIMEOUT = httpx.Timeout(60, connect=10)
RETRIED = {408, 425, 429, 500, 502, 503, 504}


class _AttemptFailed(Exception):
    """An attempt failed, and the next one may succeed."""


def download(url: str, part: Path, progress: Progress, token: str | None = None) -> None:
    """Download `url` to the file `part`, resuming from the bytes there of the same edition.

    A broken connection and a busy server are retried, `ATTEMPTS` attempts in all. A token goes to
    the address's own host, and not to the one that it redirects to.

    Raises:
        DownloadError: the server refuses the file, or every attempt failed. The bytes that came
            stay in `part` for the next call.
        NetworkSettingsError: a variable about proxies or certificates can't be used.
    """
    current = _Download(url, part, progress, token)
    try:
        _retried(current.attempt, ATTEMPTS)
    except _AttemptFailed as failed:
        raise DownloadError(
            f"{url} could not be downloaded: all {ATTEMPTS} attempts failed, the last because "
            f"{failed}. {current.size} bytes are kept. Try again to resume, or download the file "
            "by other means and give its path.",
            url=url,
            bytes=current.size,
        ) from None
    _edition_file(part).unlink(missing_ok=True)


def head(url: str, token: str | None = None, attempts: int = ATTEMPTS) -> tuple[int, httpx.Headers]:
    """Status and headers of an address, of redirects within its own origin together.

    A redirect to another origin is not followed: its headers describe the file.

    Raises:
        DownloadError: the server can't be reached, or stays busy.
        NetworkSettingsError: a variable about proxies or certificates can't be used.
    """
    found = httpx.Headers()

    def attempt() -> int:
        with _failures(url), _client(httpx.URL(url), follow_redirects=False) as client:
            here = httpx.URL(url)
            for _ in range(MAX_REDIRECTS):
                response = client.head(here, headers=_headers(token))
                if response.status_code in RETRIED:
                    raise _AttemptFailed(_problem(response))
                found.update(response.headers)
                moved = here.join(response.headers.get("Location", ""))
                if not response.has_redirect_location or _origin(moved) != _origin(here):
                    return response.status_code
                here = moved
        raise _AttemptFailed(f"it redirects more than {MAX_REDIRECTS} times")

    try:
        return _retried(attempt, attempts), found
    except _AttemptFailed as failed:
        raise DownloadError(
            f"{url} cannot be asked for: all {attempts} attempts failed, the last because "
            f"{failed}. Check the network, and try again.",
            url=url,
        ) from None


def _retried(attempt: Callable[[], Result], attempts: int) -> Result:
    """The result of the first attempt that succeeds; raises _AttemptFailed as the last one did."""
    for number in range(attempts - 1):
        try:
            return attempt()
        except _AttemptFailed:
            time.sleep(BACKOFF_S * 2**number)
    return attempt()


@contextmanager
def _failures(url: str) -> Iterator[None]:
    """Failures of httpx as those that an attempt may have."""
    try:
        yield
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise DownloadError(
            f"{url} is not a valid http(s) address: {error}. Check it.", url=url
        ) from error
    except httpx.HTTPError as error:
        raise _AttemptFailed(str(error) or type(error).__name__) from error


def _client(url: httpx.URL, *, follow_redirects: bool) -> httpx.Client:
    options = client_options(url)
    with network_settings():
        return httpx.Client(timeout=TIMEOUT, follow_redirects=follow_redirects, **options)


def _headers(token: str | None) -> dict[str, str]:
    # httpx leaves `Authorization` out where a redirect leads to another origin.
    own = {} if token is None else {"Authorization": f"Bearer {token}"}
    return {"Accept-Encoding": "identity", **own}


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _problem(response: httpx.Response) -> str:
    return f"the server answered {response.status_code} {response.reason_phrase}"


def discard(part: Path) -> None:
    """Remove what `download` left at `part`."""
    part.unlink(missing_ok=True)
    _edition_file(part).unlink(missing_ok=True)


def _edition_file(part: Path) -> Path:
    """File with the server's validator (ETag or Last-Modified) for the edition in `part`."""
    return part.with_name(f"{part.name}.edition")


class _Download:
    """A download whose first bytes may already be in `part`."""

    def __init__(self, url: str, part: Path, progress: Progress, token: str | None) -> None:
        self.url = url
        self.part = part
        self.progress = progress
        self.token = token

    @property
    def size(self) -> int:
        """Bytes in `part`."""
        return self.part.stat().st_size if self.part.exists() else 0

    def attempt(self) -> None:
        """Download the missing bytes; raises _AttemptFailed where another attempt may succeed."""
        headers = _headers(self.token)
        edition = _edition_file(self.part)
        if self.size and edition.exists():
            headers |= {"Range": f"bytes={self.size}-", "If-Range": edition.read_text("utf-8")}
        with _failures(self.url):
            address = httpx.URL(self.url)
            with (
                _client(address, follow_redirects=True) as client,
                client.stream("GET", address, headers=headers) as response,
            ):
                total = self._begin(response)
                if self.size != total:
                    self._write(response, total)
        if total not in (None, self.size):
            raise _AttemptFailed(f"{self.size} of {total} bytes came")

    def _begin(self, response: httpx.Response) -> int | None:
        """Prepare `part` for the body; returns the whole file's size in bytes, where known."""
        status = response.status_code
        content_range = response.headers.get("Content-Range", "")
        if status == 206 and content_range.startswith(f"bytes {self.size}-"):
            return _number(r"/(\d+)$", content_range)
        if status == 416 and self.size == _number(r"/(\d+)$", content_range):
            return self.size
        problem = _problem(response)
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
