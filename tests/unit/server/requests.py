"""Requests to a service, and what comes of them."""

from __future__ import annotations

import io
import json
import time
from typing import Any

import numpy as np
from tests.frames import blocks

from videovisual.server.reply import Reply
from videovisual.server.request import Request
from videovisual.server.request_state import RequestState
from videovisual.server.service import Service

TIMEOUT_S = 60


def npz(count: int = 16) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, frames=blocks(count, 64, 64))
    return buffer.getvalue()


def wait(service: Service, state: RequestState) -> Reply:
    deadline = time.monotonic() + TIMEOUT_S
    while state.reply is None:
        assert time.monotonic() < deadline, "no reply"
        service.wait(0.01)
    return state.reply


def ask(service: Service, **parts: object) -> Reply:
    return wait(service, service.submit(Request({"video": npz(), **parts})))


SLOW = {"method": b"rise", "masks": b"20000"}


def begin(service: Service, number: str, **parts: object) -> RequestState:
    return service.submit(Request({"video": npz(), **parts}), number)


def events(state: RequestState) -> list[dict[str, Any]]:
    return [json.loads(line) for line in state.take_lines().splitlines()]
