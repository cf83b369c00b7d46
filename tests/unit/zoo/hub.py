"""A Hugging Face Hub on loopback: repositories at commits, and large files on another origin."""

import functools
import hashlib
import http.server
import re
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

COMMIT = "0123456789abcdef0123456789abcdef01234567"
STATUS = {"RepoNotFound": 401, "GatedRepo": 401, "RevisionNotFound": 404}
LARGE = (".safetensors", ".bin")


@dataclass
class Hub:
    """The Hub's repositories, and its faults.

    Attributes:
        files: content of each repository's files at `commit`, which `main` names.
        commit: of all repositories.
        renamed: new name by old name, to which a request is redirected.
        gated: repositories that only `token` opens.
        published: whether the Hub tells the SHA-256 and size of large files.
        cuts: bytes of a large file before the connection is closed, one entry per response.
        seen: `(origin, method, path, Authorization, Range, status)` of each response.
    """

    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    commit: str = COMMIT
    renamed: dict[str, str] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    token: str = "hf_secret"
    published: bool = True
    cuts: list[int] = field(default_factory=list)
    seen: list[tuple[str, str, str, str | None, str | None, int]] = field(default_factory=list)
    url: str = ""
    storage: str = ""

    def put(self, repository, folder):
        """Take a folder's files as a repository."""
        self.files[repository] = {path.name: path.read_bytes() for path in folder.iterdir()}

    def asked(self, origin):
        return [each for each in self.seen if each[0] == origin]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, hub, origin, *arguments):
        self.hub, self.origin = hub, origin
        super().__init__(*arguments)

    def do_HEAD(self):
        self.reply(*(self.of_hub() if self.origin == "hub" else self.of_storage()))

    def do_GET(self):
        self.do_HEAD()

    def of_hub(self):
        hub, answer = self.hub, {"X-Repo-Commit": self.hub.commit}
        owner, name, file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", self.path).groups()
        bearer = self.headers.get("Authorization")
        refusals = {
            "RepoNotFound": owner not in hub.files and owner not in hub.renamed,
            "GatedRepo": owner in hub.gated and bearer != f"Bearer {hub.token}",
            "RevisionNotFound": name not in ("main", hub.commit),
        }
        for reason, holds in refusals.items():
            if holds:
                return STATUS[reason], b"", {"X-Error-Code": reason}
        if owner in hub.renamed:
            return 307, b"", {"Location": self.path.replace(owner, hub.renamed[owner])}
        content = hub.files[owner].get(file)
        if content is None:
            return 404, b"", answer | {"X-Error-Code": "EntryNotFound"}
        if not file.endswith(LARGE):
            return 200, content, answer | {"ETag": f'"{hashlib.sha1(content).hexdigest()}"'}
        if hub.published:
            sha256 = hashlib.sha256(content).hexdigest()
            answer |= {"X-Linked-Etag": f'"{sha256}"', "X-Linked-Size": str(len(content))}
        return 302, b"", answer | {"Location": f"{hub.storage}/{owner}/{file}"}

    def of_storage(self):
        owner, file = re.fullmatch(r"/([^/]+/[^/]+)/(.+)", self.path).groups()
        content, range_ = self.hub.files[owner][file], self.headers.get("Range")
        head = {"ETag": f'"{hashlib.md5(content).hexdigest()}"', "Accept-Ranges": "bytes"}
        if not range_:
            return 200, content, head
        start = int(re.fullmatch(r"bytes=(\d+)-", range_)[1])
        head["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return 206, content[start:], head

    def reply(self, status, body, head):
        asked = self.headers.get("Authorization"), self.headers.get("Range")
        self.hub.seen.append((self.origin, self.command, self.path, *asked, status))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **head}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        cut = self.hub.cuts.pop(0) if self.origin == "storage" and self.hub.cuts else len(body)
        self.wfile.write(body[:cut])
        self.close_connection = self.close_connection or cut < len(body)

    def log_message(self, *_):
        """Keep the output of the tests clean."""


@contextmanager
def serving(hub):
    """Serves a Hub while the block runs."""
    running = []
    for origin, name in (("hub", "url"), ("storage", "storage")):
        handler = functools.partial(Handler, hub, origin)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        setattr(hub, name, f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        running.append((server, thread))
    yield hub
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()
