"""A server on loopback that says what a test tells it to, over real sockets."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from videovisual.protocol import Answer, Array, Explanation, Prediction

CHUNK = 1 << 20
PREDICTION = Prediction(index=1, label="ironing", probability=0.75, logit=2.0)


def answer(model: str = "i3d-motion", label: str = "ironing", method: str = "gradient") -> Answer:
    """A small answer."""
    prediction = PREDICTION.model_copy(update={"label": label})
    explanation = Explanation(
        method=method,
        target=prediction,
        signed=False,
        map=Array.of(np.arange(8, dtype=np.float32).reshape(2, 2, 2)),
        curve=[0.25, 0.75],
        peak=(1, 1, 1),
        diagnostics={"converged": True},
        provenance={"timestamps": [0.0, 0.5]},
    )
    return Answer(
        model=model,
        predictions=[prediction],
        explanations=[explanation],
        clip={"frame_indices": [0, 1]},
    )


@dataclass
class Asked:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    size: int

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def field(self, name: str) -> str | None:
        """A form field's value."""
        mark = f'name="{name}"\r\n\r\n'.encode()
        _, found, rest = self.body.partition(mark)
        return rest.partition(b"\r\n--")[0].decode() if found else None


@dataclass
class Said:
    """One answer: a body, or lines that are sent one by one."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    lines: Iterator[Any] | None = None


Script = Callable[[Asked], Said]


class Stage:
    """What the server was asked, and what it says."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.script: Script = lambda _: Said(answer().model_dump(mode="json"))
        self.url = ""
        self.keep_bodies = True

    def play(self, *said: Said) -> None:
        """Say these one after the other, and the last one ever after."""
        waiting = list(said)
        self.script = lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@contextmanager
def serving() -> Iterator[Stage]:
    """The server, until the end of the block."""
    stage = Stage()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._serve()

        def do_GET(self) -> None:
            self._serve()

        def _serve(self) -> None:
            left = size = int(self.headers.get("Content-Length", 0))
            body = b""
            while left:
                piece = self.rfile.read(min(left, CHUNK))
                left -= len(piece)
                if stage.keep_bodies:
                    body += piece
            asked = Asked(self.path, dict(self.headers), body, size)
            stage.asked.append(asked)
            said = stage.script(asked)
            self.send_response(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            if said.lines is None:
                data = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for line in said.lines:
                    data = json.dumps(line).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stage.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield stage
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
