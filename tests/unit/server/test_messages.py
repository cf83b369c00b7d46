"""No message is as long as what a client sent, wherever it stood."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.unit.server.requests import npz, wait

from videovisual.attribution import catalogue
from videovisual.protocol import Options
from videovisual.server.reply import Reply
from videovisual.server.request import Repeated, Request
from videovisual.server.service import Service
from videovisual.zoo import Classifier

LONG = "x" * 100_000
LONGEST = 600
"""Letters of the longest message."""
LONGEST_BODY = 6000
"""Bytes of the longest error, with the allowed values in its detail."""

CLIP = npz(2)
ENCODED = base64.b64encode(CLIP).decode()
SPACES = " " * 100_000
MANY = ["y" * 1000] * 100
PARAMETERS = {name for entry in catalogue.ENTRIES for name in entry.parameters.model_fields}


def archive(names: list[str], data: bytes = b"x", method: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as file:
        for name in names:
            file.writestr(name, data)
    return buffer.getvalue()


def saved(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def requests() -> Iterator[tuple[str, dict[str, Any], dict[str, str]]]:
    """What a client may make long: name, parts and headers."""
    for name in (*Options.model_fields, *sorted(PARAMETERS), LONG, "frame_" + LONG):
        for method in ("ep_3d", "rise", None):
            named = {} if method is None else {"method": method}
            for value in (LONG, MANY, {"a": LONG}, "[" + LONG, SPACES, "9" * 100_000, -(10**4000)):
                yield f"{name} {method}", {"body": {**named, "video": ENCODED, name: value}}, {}
    yield "header", {"video": CLIP}, {f"x-videovisual-{LONG}": LONG}
    yield "encoding", {"video": CLIP}, {"content-encoding": LONG}
    yield "base64", {"body": {"video": "*" + LONG}}, {}
    yield "base64 frame", {"body": {f"frame_{LONG}": "*"}}, {}
    yield "twice", {"body": f'{{"{LONG}": 1, "{LONG}": 2}}'.encode()}, {"content-type": "a/json"}
    yield "both", {"body": {"video": ENCODED, LONG: 1, "parameters": {LONG: 2}}}, {}
    yield "not UTF-8", {"video": CLIP, LONG: b"\xff"}, {}
    yield "frames", {f"frame_{LONG}": b"x"}, {}
    yield "frame twice", {f"frame_{LONG}": Repeated([b"x", b"x"])}, {}
    yield "several", {"body": {"video": ENCODED, "method": ["ig", f"rise{SPACES}"], LONG: 1}}, {}
    yield "text", {"body": LONG}, {}
    name = LONG[:60_000]
    yield "member", {"video": archive([f"../{name}"])}, {}
    yield "damaged", {"video": archive([f"{name}.png"])}, {}
    yield "bomb", {"video": archive([f"{name}.png"], bytes(2**22), zipfile.ZIP_DEFLATED)}, {}
    yield "array", {"video": archive([f"{name}.npy"])}, {}
    fields = [(f"f{number}", "u1") for number in range(700)]
    yield "dtype", {"video": saved(frames=np.zeros((1, 1), fields))}, {}
    yield "fps", {"video": saved(frames=np.zeros((2, 8, 8, 3), "u1"), fps=np.zeros(1, fields))}, {}
    yield "shape", {"video": saved(frames=np.zeros((1,) * 32, "u1"))}, {}


@pytest.fixture(scope="module")
def replies(small: Classifier) -> Iterator[list[tuple[str, Reply]]]:
    service = Service(small)
    try:
        yield [
            (name, wait(service, service.submit(Request(parts, headers))))
            for name, parts, headers in requests()
        ]
    finally:
        service.close()


def test_no_message_is_as_long_as_its_input(replies: list[tuple[str, Reply]]) -> None:
    failed = [(name[:30], reply) for name, reply in replies if reply.status != 200]
    assert len(failed) > len(replies) / 2
    for name, reply in failed:
        assert 400 <= reply.status < 500, (name, reply.body[:300])
        message = json.loads(reply.body)["error"]["message"]
        assert len(message) <= LONGEST, (name, message[:200], len(message))
        assert len(reply.body) <= LONGEST_BODY, (name, reply.body[:200], len(reply.body))
