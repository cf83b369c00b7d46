"""A web server on loopback that interrupts, redirects and refuses downloads."""

import dataclasses
import functools
import gzip
import hashlib
import http.server
import io
import re
import threading
from argparse import Namespace
from dataclasses import dataclass, field

import pytest
import torch
from tests.unit.zoo.layouts import tsm_authors

from videovisual import zoo
from videovisual.zoo.weights_io import http as downloading

VERBS = "verb_id,class_key,verbs\n0,take,['take']\n1,put,['put']\n2,open,['open']\n"
NOUNS = "noun_id,class_key,nouns\n0,pan,\"['pan', 'wok']\"\n1,tap,['tap']\n"


@dataclass
class Site:
    """The server's files, and its faults.

    Attributes:
        files: content by path.
        etag: `ETag` header of every file; None sends none.
        ranges: whether the server supports `Range`.
        gzip: whether it compresses bodies, even if the request accepts `identity` alone.
        moved: new address by path; such a request is redirected.
        cuts: number of body bytes before the connection is closed, one entry per response.
        busy: number of responses that are `503`, before all others.
        requests: `(path, Range header or None, status)` of each response.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str | None = '"one"'
    ranges: bool = True
    gzip: bool = False
    moved: dict[str, str] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    busy: int = 0
    requests: list[tuple[str, str | None, int]] = field(default_factory=list)
    url: str = ""


class Handler(http.server.BaseHTTPRequestHandler):
    def __init__(self, site, *arguments):
        self.site = site
        super().__init__(*arguments)

    def do_GET(self):
        site, range_ = self.site, self.headers.get("Range")
        content = site.files.get(self.path)
        if content is None:
            address = site.moved.get(self.path)
            status, head = (302, {"Location": address}) if address else (404, {})
            return self.answer(status, b"", head)
        if site.busy:
            site.busy -= 1
            return self.answer(503, b"", {})
        head = {"ETag": site.etag} if site.etag else {}
        same = self.headers.get("If-Range") in (None, site.etag)
        if range_ and site.ranges and same:
            start = int(re.fullmatch(r"bytes=(\d+)-", range_)[1])
            if start >= len(content):
                return self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            head["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self.answer(206, content[start:], head)
        if site.gzip:
            return self.answer(200, gzip.compress(content), head | {"Content-Encoding": "gzip"})
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
        """Keep the output of the tests clean."""


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


@pytest.fixture
def cards(monkeypatch):
    """Replaces all cards by small EPIC-Kitchens cards."""

    def small(kind, count):
        return dataclasses.replace(
            zoo.card(f"tsm-epic55-{kind}"),
            labels=tuple(f"{kind} {index}" for index in range(count)),
            options={"head": f"fc_{kind}", "width": 8, "blocks": (1, 1, 1, 1)},
        )

    made = {card.name: card for card in (small("verb", 3), small("noun", 2))}
    for place in ("videovisual.zoo.registry.cards", "videovisual.zoo.cards"):
        monkeypatch.setattr(place, lambda: made)
    return made


@pytest.fixture
def card(cards):
    """The card of the verbs."""
    return cards["tsm-epic55-verb"]


@pytest.fixture
def published(card, cards, site, monkeypatch):
    """Address of a random checkpoint in the authors' layout; the server has the labels too."""
    torch.manual_seed(0)
    state = tsm_authors(zoo.build(card), heads=("fc_verb", "fc_noun"))
    state |= {"module.fc_noun.weight": torch.zeros(2, 256), "module.fc_noun.bias": torch.zeros(2)}
    content = {"state_dict": state, "segment_count": 8, "args": Namespace(arch="resnet50")}
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    sha256 = hashlib.sha256(buffer.getvalue()).hexdigest()
    for name, each in cards.items():
        weights = dataclasses.replace(each.weights, sha256=sha256)
        cards[name] = dataclasses.replace(each, weights=weights)
    site.files = {
        "/tsm.pth.tar": buffer.getvalue(),
        "/verbs.csv": VERBS.encode(),
        "/nouns.csv": NOUNS.encode(),
    }
    sources = {f"tsm-epic55-{kind}": f"{site.url}/{kind}s.csv" for kind in ("verb", "noun")}
    monkeypatch.setattr("videovisual.zoo.weights_io.labels.SOURCES", sources)
    return f"{site.url}/tsm.pth.tar"
