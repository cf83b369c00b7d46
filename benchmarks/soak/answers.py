"""Damaged answers to the client: it may only raise errors of its own."""

import json
import random
import socket
import tempfile
import threading
import traceback
from pathlib import Path
from typing import Any

from benchmarks.soak.connection import Received
from benchmarks.soak.damage import damaged
from benchmarks.soak.documents import damaged_document
from benchmarks.soak.originals import originals
from videovisual.errors import VideoVisualError
from videovisual.server.reply import NDJSON
from videovisual_client import Client
from videovisual_client.exchange import Timeouts

READ_S = 5.0
LONGEST_MESSAGE = 5000
STATUSES = (200, 200, 200, 200, 201, 204, 301, 400, 401, 413, 422, 500, 502, 503, 504, 999)
HEADERS = (
    *("", "", "", "Retry-After: soon\r\n", "Retry-After: -1\r\n", "Retry-After: 99999999999\r\n"),
    *("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", "Content-Encoding: gzip\r\n"),
    *("Transfer-Encoding: chunked\r\n", "Location: /\r\n", "X: \xff\r\n", "Set-Cookie: a\r\n"),
)
ERRORS: tuple[dict[str, Any], ...] = (
    {"error": {"code": "invalid_target", "message": "There is none.", "detail": {"given": "a"}}},
    {"error": {"code": "overloaded", "message": "Full.", "detail": {"retry_after_s": 2}}},
    {"code": 503, "type": "ServiceUnavailableException", "message": "No worker."},
)


class Checker:
    """A client, and a server of its own that answers it with prepared bytes.

    Args:
        seed: as of the soak's inputs.
        recorded: true answers of a server.
    """

    def __init__(self, seed: int, recorded: list[Received]) -> None:
        self._seed = seed
        self._recorded = recorded
        self._prepared = b""
        self._folder = tempfile.TemporaryDirectory(prefix="videovisual-soak-")
        self._clip = Path(self._folder.name, "clip.npz")
        self._clip.write_bytes(originals()["npz"])
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._serve, daemon=True).start()
        self._client = Client(
            f"http://127.0.0.1:{self._listener.getsockname()[1]}",
            token="none",
            timeouts=Timeouts(connect=READ_S, write=READ_S, read=READ_S),
            retries=0,
        )

    def check(self, index: int) -> tuple[str, str | None]:
        """Have the client read the answer of that number.

        Returns:
            What the client said: `result`, or its error's code; and what was wrong about that.
        """
        rng = random.Random(f"{self._seed}:{index}:answer")
        self._prepared, note = self._answer(rng)
        call = rng.choice((self._classify, self._explain, self._follow))
        try:
            call()
        except VideoVisualError as error:
            if not isinstance(error.message, str) or not 0 < len(error.message) <= LONGEST_MESSAGE:
                return error.code, f"{note}: {error.code} with the message {error.message!r:.200}"
            return f"error {error.code}", None
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(where.filename).name}:{where.lineno}"
            return type(error).__name__, f"{note}: {call.__name__} {error!r:.300} at {place}"
        return "result", None

    def _classify(self) -> None:
        self._client.classify(self._clip, model="r3d-motion").predictions[:1]

    def _explain(self) -> None:
        self._client.explain(self._clip, model="r3d-motion").explanations[:1]

    def _follow(self) -> None:
        with self._client.submit(self._clip, model="r3d-motion") as job:
            for _event in job:
                """Only errors matter."""
            job.answer()

    def _answer(self, rng: random.Random) -> tuple[bytes, str]:
        """A damaged answer with its head, and what was done to it."""
        recorded = rng.choice(self._recorded)
        status = recorded.status if rng.random() < 0.7 else rng.choice(STATUSES)
        body, note = self._body(recorded, rng)
        length = len(body) if rng.random() < 0.9 else rng.choice((0, len(body) // 2, len(body) + 9))
        head = f"HTTP/1.1 {status} A\r\nContent-Type: {recorded.content_type}\r\n"
        more = rng.choice(HEADERS)
        if "chunked" not in more:
            more += f"Content-Length: {length}\r\n"
        sent = f"{head}{more}Connection: close\r\n\r\n".encode("latin-1")
        if rng.random() < 0.05:
            sent, name = damaged(sent, rng)
            note += f" head {name}"
        return sent + body, f"{status} {more.partition(':')[0]} {note}"

    def _body(self, recorded: Received, rng: random.Random) -> tuple[bytes, str]:
        if rng.random() < 0.3:
            return damaged(recorded.body, rng)
        if rng.random() < 0.3:
            return damaged_document(rng.choice(ERRORS), rng)
        if not recorded.content_type.startswith(NDJSON):
            return damaged_document(json.loads(recorded.body), rng)
        lines = recorded.body.splitlines()
        at = rng.randrange(len(lines))
        lines[at], note = damaged_document(json.loads(lines[at]), rng)
        if rng.random() < 0.2:
            rng.shuffle(lines)
        return b"\n".join(lines) + b"\n", f"line {at} {note}"

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                try:
                    _read_request(connection)
                    connection.sendall(self._prepared)
                    connection.shutdown(socket.SHUT_WR)
                except OSError:
                    """The client has left."""


def _read_request(connection: socket.socket) -> None:
    """Read a request to its end, since an early close could reset the answer."""
    connection.settimeout(READ_S)
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(1 << 16)
        if not piece:
            return
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in head.lower().split(b"\r\n")[1:])
    missing = int(fields.get(b"content-length", b"0")) - len(body)
    while missing > 0:
        piece = connection.recv(1 << 16)
        if not piece:
            return
        missing -= len(piece)


_checker: list[Checker] = []


def start(seed: int, recorded: list[Received]) -> None:
    """Prepare a process for `check`."""
    _checker[:] = [Checker(seed, recorded)]


def check(index: int) -> tuple[str, str | None]:
    """As `Checker.check`, in the process that `start` prepared."""
    return _checker[0].check(index)
