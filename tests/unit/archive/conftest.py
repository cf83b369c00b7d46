"""A web server on loopback that can do what web servers do to a download."""

import functools
import http.server
import re
import threading
from dataclasses import dataclass, field

import pytest

from videovisual_archive import http as downloading


@dataclass
class Site:
    """What the server serves, and how badly.

    Attributes:
        files: content by path.
        etag: edition that it names; None names none.
        ranges: whether it heeds `Range`.
        cuts: after so many bytes of the body the connection is closed, one entry an answer.
        busy: this many answers are `503` first.
        requests: `(path, Range header or None, status)` of each answer.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"one"'
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    busy: int = 0
    requests: list[tuple[str, str | None, int]] = field(default_factory=list)
    url: str = ""


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, site, *arguments):
        self.site = site
        super().__init__(*arguments)

    def do_GET(self):
        site, asked = self.site, self.headers.get("Range")
        content = site.files.get(self.path)
        if content is None:
            return self.answer(404, b"", {})
        if site.busy:
            site.busy -= 1
            return self.answer(503, b"", {})
        head = {"ETag": site.etag} if site.etag else {}
        same = self.headers.get("If-Range") in (None, site.etag)
        if asked and site.ranges and same:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(content):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            head["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self.answer(206, content[start:], head)
        return self.answer(200, content, head)

    def answer(self, status, body, head):
        self.site.requests.append((self.path, self.headers.get("Range"), status))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **head}.items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.site.cuts.pop(0) if body and self.site.cuts else len(body)
        self.wfile.write(body[:cut])

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(downloading, "BACKOFF_S", 0)
    made = Site()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, made))
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()
