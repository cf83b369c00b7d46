"""Whether an answer is what the documents promise."""

import io
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image
from pydantic import ValidationError

from benchmarks.soak.connection import UNSPOKEN, Received
from videovisual import errors
from videovisual.protocol import Answer, Cancellation
from videovisual.server.reply import JSON, NDJSON

LONGEST_MESSAGE = 1000
LARGEST_ERROR = 20_000
"""Bytes of an error's whole answer."""

DIED = "InternalServerException"
"""What TorchServe answers where a worker has died."""

TORCHSERVES = "TorchServe's own"


def _statuses(root: type[errors.VideoVisualError]) -> dict[str, int]:
    found: dict[str, int] = {}
    for kind in root.__subclasses__():
        found |= {kind.code: kind.status, **_statuses(kind)}
    return found


STATUSES = {
    code: status
    for code, status in _statuses(errors.VideoVisualError).items()
    if status < 500 or status in {501, 503, 504}
}
"""What a server may refuse with; `internal` (500) isn't among them."""


class Wrong(Exception):
    """An answer that may not be."""


def outcome(received: Received, *, foreign: bool) -> str:
    """The answer's kind: `200`, or the status and code of an error.

    Args:
        received: what came.
        foreign: whether TorchServe itself may have answered.

    Raises:
        Wrong: the answer isn't what the documents promise.
    """
    if foreign and not received.body:
        return f"{TORCHSERVES}: {received.status or 'closed'}"
    if received.status == UNSPOKEN:
        raise Wrong("closed without an answer")
    if not received.whole:
        raise Wrong(f"{received.status} broken off after {len(received.body)} bytes")
    kind = received.content_type.partition(";")[0]
    if kind == NDJSON:
        return _stream(received.body)
    if kind != JSON:
        return _other(received, kind, foreign=foreign)
    document = strict(received.body)
    if isinstance(document, dict) and "error" in document:
        return _error(document, received.status)
    if received.status != 200 or _is_torchserves(document):
        return _torchserve(document, received.status, foreign=foreign)
    _answer(document)
    return "200"


def strict(text: bytes) -> Any:
    """JSON as its standard has it."""

    def refuse(name: str) -> Any:
        raise Wrong(f"{name} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except ValueError as error:
        raise Wrong(f"no JSON: {error}: {text[:100]!r}") from None


def _error(document: dict[str, Any], status: int) -> str:
    error = document["error"]
    if set(document) != {"error"} or set(error) != {"code", "message", "detail"}:
        raise Wrong(f"an error of another shape: {sorted(document)} {sorted(error)}")
    code, message = error["code"], error["message"]
    if code not in STATUSES:
        raise Wrong(f"{status} {code}: {message[:300]}")
    # An answer that has begun keeps its status.
    if status not in {STATUSES[code], 200}:
        raise Wrong(f"{status} with {code}")
    if not message or len(message) > LONGEST_MESSAGE:
        raise Wrong(f"{code}: a message of {len(message)} letters: {message[:100]}")
    if not isinstance(error["detail"], dict) or len(json.dumps(error)) > LARGEST_ERROR:
        raise Wrong(f"{code}: a detail of {len(json.dumps(error))} bytes, or none: {message[:100]}")
    return f"{STATUSES[code]} {code}"


def _stream(body: bytes) -> str:
    events = [strict(line) for line in body.splitlines()]
    names = [event.get("event") for event in events]
    if names[:1] != ["accepted"] or names[-1:] != ["done"] or len(names) < 3:
        raise Wrong(f"a stream of {names[:3]} … {names[-3:]}")
    last = events[-2]
    if last["event"] == "error":
        return _error({"error": last["error"]}, last["status"])
    if last["event"] != "result":
        raise Wrong(f"a stream that ends with {last['event']}")
    if "answer" in last:
        _answer(last["answer"])
    return "200"


def _answer(document: Any) -> None:
    """A classification, an explanation, KServe's envelope of one, or a cancellation's answer."""
    if set(document) == {"cancelled"}:
        Cancellation.model_validate(document)
        return
    enveloped = set(document) <= {"predictions", "explanations"}
    inner = document["predictions"] if enveloped else [document]
    for each in inner:
        try:
            answer = Answer.model_validate(each)
            maps = [explanation.map.to_numpy() for explanation in answer.explanations]
        except (ValidationError, ValueError) as error:
            raise Wrong(f"an answer of another shape: {error}") from None
        total = sum(one.probability or 0.0 for one in answer.predictions)
        if not answer.predictions or not 0 <= total <= 1.0001:
            raise Wrong(f"probabilities that sum to {total}")
        if not all(np.isfinite(values).all() for values in maps):
            raise Wrong("a map that isn't finite")
        if not all(math.isfinite(one.logit) for one in answer.predictions):
            raise Wrong("logits that aren't finite")


def _is_torchserves(document: Any) -> bool:
    return (
        not isinstance(document, dict)
        or {"code", "type"} <= set(document)
        or ("openapi" in document or "status" in document)
    )


def _torchserve(document: Any, status: int, *, foreign: bool) -> str:
    facts = document if isinstance(document, dict) else {}
    if not foreign or facts.get("type") == DIED or facts.get("code", status) != status:
        raise Wrong(f"{status} of TorchServe: {str(document)[:300]}")
    return f"{TORCHSERVES}: {status}"


def _other(received: Received, kind: str, *, foreign: bool) -> str:
    """A picture, a film, a page or arrays; or an answer of TorchServe's without JSON."""
    body = received.body
    if body.startswith(b'{"error"'):
        return _error(strict(body), received.status)
    if received.status != 200 or kind not in FILES:
        if foreign:
            return f"{TORCHSERVES}: {received.status}"
        raise Wrong(f"{received.status} {kind}: {body[:200]!r}")
    try:
        FILES[kind](body)
    except (OSError, ValueError, SyntaxError, KeyError) as error:
        raise Wrong(f"{kind} that can't be read: {error}: {body[:60]!r}") from None
    return "200"


def _arrays(body: bytes) -> None:
    with np.load(io.BytesIO(body), allow_pickle=False) as arrays:
        if not np.isfinite(arrays["map"]).all():
            raise ValueError("a map that isn't finite")


def _picture(body: bytes) -> None:
    Image.open(io.BytesIO(body)).load()


def _film(body: bytes) -> None:
    if body[4:8] != b"ftyp":
        raise ValueError("no mp4")


def _page(body: bytes) -> None:
    if b"</html>" not in body[-100:]:
        raise ValueError("a cut page")


FILES: dict[str, Callable[[bytes], None]] = {
    "application/octet-stream": _arrays,
    "image/png": _picture,
    "image/gif": _picture,
    "video/mp4": _film,
    "text/html": _page,
}


def essence(received: Received) -> tuple[int, bytes]:
    """What must be the same for the same request: of a stream its last event but `done`."""
    if received.content_type.startswith(NDJSON):
        return received.status, b"".join(received.body.splitlines()[-2:-1])
    return received.status, received.body
