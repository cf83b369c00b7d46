"""A server on loopback that sends the replies of a test, over real sockets."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from videovisual.attribution import catalogue
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
        classifier_sha256="c" * 64,
    )


@dataclass
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes
    size: int
    verb: str = "POST"

    @property
    def token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def field(self, name: str) -> str | None:
        """A form field's value."""
        mark = f'name="{name}"\r\n\r\n'.encode()
        _, found, rest = self.body.partition(mark)
        return rest.partition(b"\r\n--")[0].decode() if found else None


@dataclass
class Reply:
    """One response: a body, or lines that are sent one by one."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    lines: Iterator[Any] | None = None


Handle = Callable[[Received], Reply]


class FakeServer:
    """The requests that the server received, and the handler of the next ones."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.handler: Handle = lambda _: Reply(answer().model_dump(mode="json"))
        self.url = ""
        self.keep_bodies = True

    def reply_with(self, *replies: Reply) -> None:
        """Send these replies in turn, then the last one for ever."""
        waiting = list(replies)
        self.handler = lambda _: waiting.pop(0) if len(waiting) > 1 else waiting[0]


@contextmanager
def serving() -> Iterator[FakeServer]:
    """The server, until the end of the block."""
    fake = FakeServer()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._serve()

        def do_GET(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def _serve(self) -> None:
            left = size = int(self.headers.get("Content-Length", 0))
            body = b""
            while left:
                piece = self.rfile.read(min(left, CHUNK))
                left -= len(piece)
                if fake.keep_bodies:
                    body += piece
            request = Received(self.path, dict(self.headers), body, size, self.command)
            fake.received.append(request)
            reply = fake.handler(request)
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            if reply.lines is None:
                data = (
                    reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                )
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
                return
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for line in reply.lines:
                    data = json.dumps(line).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None:
            """Log nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield fake
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def explanation_lines(**given: Any) -> Iterator[Any]:
    """The lines of a streamed explanation."""
    yield {"event": "accepted", "job": "j", "queue": 0}
    yield {"event": "result", "answer": answer(**given).model_dump(mode="json")}
    yield {"event": "done"}


CLASSES = ("abseiling", "ironing", "juggling balls")
"""The classes of the model, of which `ironing` is always the best."""


def asks_for_classes(request: Received) -> bool:
    """Whether it is the request for all classes that precedes a folder of clips."""
    return request.field("top_k") == "1000"


def all_classes() -> Reply:
    """The answer with all classes."""
    others = [
        Prediction(index=index, label=label, probability=0.1, logit=0.0)
        for index, label in enumerate(CLASSES)
        if label != PREDICTION.label
    ]
    listing = answer().model_copy(update={"predictions": [PREDICTION, *others]})
    return Reply(listing.model_dump(mode="json"))


def explain_or_classify(request: Received) -> Reply:
    """A small answer, streamed if the request says so."""
    if asks_for_classes(request):
        return all_classes()
    if request.field("stream"):
        return Reply(lines=explanation_lines(method=request.field("method") or catalogue.DEFAULT))
    return Reply(answer().model_dump(mode="json"))
