"""TorchServe's rounds, with its own context, without its server."""

from __future__ import annotations

import base64
import io
import json
import logging
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.frames import blocks
from ts.context import Context, RequestProcessor
from ts.protocol import otf_message_handler
from ts.protocol.otf_message_handler import _retrieve_input_data, retrieve_msg

from video_handler import (
    CALM_S,
    HOLD_S,
    LOST_S,
    QUEUED_S,
    READ_BYTES,
    WAIT_S,
    YOUNG_S,
    VideoHandler,
    _filter_logs,
    _read_ahead,
)
from videovisual.server.request_state import RequestState
from videovisual.server.service import Service
from videovisual.zoo import Classifier

TIMEOUT_S = 60
LONG_AGO = 2 * LOST_S
SLOW: dict[str, object] = {"method": "rise", "masks": 20000}


class Rounds:
    """A handler in a server's hands.

    The watch for clients who left, which a thread keeps, is kept while each round waits for news:
    when it does most harm.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.handler = VideoHandler()
        self.service = Service(classifier)
        self.handler._service = self.service
        wait = self.service.wait

        def watched(seconds: float, seen: int | None = None) -> int:
            self.handler._cancel_lost()
            return wait(seconds, seen)

        self.service.wait = watched  # type: ignore[method-assign]

    def silence(self) -> None:
        """Let the last round have ended long ago."""
        self.handler._called -= LONG_AGO

    def begin(self, number: str, body: dict[str, object], *others: str) -> tuple[bytes, Context]:
        """One round with one request, besides open ones: what is answered, with which status."""
        numbers = [number, *others]
        context = Context("small", None, None, len(numbers), None, "0.12.0")
        context.request_ids = dict(enumerate(numbers))
        context._request_processor = [
            RequestProcessor({"content-type": "application/json"}) for _ in numbers
        ]
        answer, *_ = self.handler.handle([{"body": body}] * len(numbers), context)
        return answer, context

    def ask(self, number: str, body: dict[str, object]) -> tuple[int, bytes]:
        """As many rounds as it takes."""
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            answer, context = self.begin(number, body)
            if 0 in context.request_ids:
                return context._request_processor[0].get_response_status_code(), answer
        raise TimeoutError(number)


@pytest.fixture
def rounds(small: Classifier) -> Iterator[Rounds]:
    rounds = Rounds(small)
    yield rounds
    rounds.service.close()


@pytest.fixture
def video() -> str:
    """A clip as base64, as JSON carries it."""
    buffer = io.BytesIO()
    np.savez(buffer, frames=blocks(16, 64, 64))
    return base64.b64encode(buffer.getvalue()).decode()


def test_a_request_that_ends_a_silence_is_not_taken_for_one_whose_client_left(
    rounds: Rounds, video: str
) -> None:
    rounds.silence()
    status, answer = rounds.ask("first", {"video": video})
    assert status == 200, answer
    assert json.loads(answer)["predictions"]


def test_after_a_silence_what_is_open_is_given_up(rounds: Rounds, video: str) -> None:
    rounds.begin("left", {"video": video, **SLOW})
    state = rounds.handler._open["left"]
    rounds.handler._cancel_lost()
    assert not state.cancelled
    rounds.silence()
    rounds.handler._cancel_lost()
    assert state.cancelled


def test_a_round_waits_for_a_young_classification_and_not_for_a_young_explanation(
    rounds: Rounds, video: str
) -> None:
    """TorchServe passes no request during a round: an explanation must not delay others."""
    rounds.begin("explanation", {"video": video, **SLOW})
    rounds.handler._open["explanation"].issued = time.monotonic()
    assert rounds.handler._round_s(["explanation"]) == WAIT_S
    rounds.handler._open["classification"] = RequestState("classification", lambda: None)
    both = ["explanation", "classification"]
    assert WAIT_S < rounds.handler._round_s(both) <= YOUNG_S


def test_a_round_waits_longer_where_no_two_requests_came_at_once(
    rounds: Rounds, video: str
) -> None:
    def is_long(number: str) -> bool:
        rounds.handler._open[number].issued = time.monotonic()
        return rounds.handler._round_s([number]) > YOUNG_S

    rounds.begin("first", {"video": video, **SLOW})
    assert not is_long("first"), "nothing is known yet"
    calm(rounds)
    rounds.handler._open["lone"] = RequestState("lone", lambda: None)
    assert is_long("lone")
    assert rounds.handler._round_s(["first", "lone"]) <= YOUNG_S
    rounds.handler._called -= 2 * QUEUED_S
    rounds.begin("second", {"video": video, **SLOW}, "first", "lone")
    assert not is_long("lone"), "others were open"


@pytest.mark.parametrize(("after_s", "is_queued"), [(0.0, True), (2 * QUEUED_S, False)])
def test_a_request_right_after_a_round_was_waiting_for_it(
    rounds: Rounds, video: str, after_s: float, is_queued: bool
) -> None:
    rounds.ask("first", {"video": video})
    calm(rounds)
    rounds.handler._called = time.monotonic() - after_s
    rounds.begin("next", {"video": video, **SLOW})
    assert (time.monotonic() - rounds.handler._crowded < CALM_S) == is_queued


def calm(rounds: Rounds) -> None:
    """Let two requests have come at once long ago."""
    rounds.handler._crowded = time.monotonic() - 2 * CALM_S


def test_an_answer_of_tensors_is_sent_whole_however_late(rounds: Rounds, video: str) -> None:
    """Its head has the length of its JSON, which is known last."""
    clip = {"name": "video", "shape": [1], "datatype": "BYTES", "data": [video]}
    bodies: dict[str, dict[str, object]] = {
        "tensors": {"inputs": [clip], "parameters": SLOW},
        "parts": {"video": video, **SLOW},
    }
    for number, body in bodies.items():
        rounds.begin(number, body)
        rounds.handler._open[number].issued -= 2 * HOLD_S
        _, context = rounds.begin(number, body)
        assert (0 in context.request_ids) == (number == "parts")


def test_a_body_that_is_not_json_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """TorchServe would log a traceback for each."""
    message = struct.pack(">i", 4) + b"body" + struct.pack(">i", 16) + b"application/json"
    message += struct.pack(">i", 1) + b"{"
    before = list(logging.getLogger().filters)
    try:
        _filter_logs()
        ours, theirs = socket.socketpair()
        with ours, theirs:
            theirs.sendall(message)
            assert _retrieve_input_data(ours)["value"] == b"{"
        logging.warning("another")
    finally:
        logging.getLogger().filters = before
    assert caplog.messages == ["another"]


class Counted(socket.socket):
    """Counts how often the system is asked."""

    calls = 0

    def recv(self, *arguments: Any) -> bytes:
        self.calls += 1
        return super().recv(*arguments)

    def recv_into(self, *arguments: Any) -> int:
        self.calls += 1
        return super().recv_into(*arguments)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Counted, socket.socket]]:
    """The worker's end, read in large pieces, and TorchServe's."""
    given = otf_message_handler._retrieve_buffer
    monkeypatch.setattr(otf_message_handler, "_retrieve_buffer", given)
    _read_ahead()
    ours, theirs = socket.socketpair()
    with Counted(fileno=ours.detach()) as counted, theirs:
        yield counted, theirs


def message(number: str, parts: list[bytes]) -> bytes:
    """TorchServe's message of one request, with parts `x0`, `x1`, …"""

    def text(value: bytes) -> bytes:
        return struct.pack(">i", len(value)) + value

    end = struct.pack(">i", -1)
    named = [
        text(f"x{index}".encode()) + text(b"") + text(part) for index, part in enumerate(parts)
    ]
    return b"I" + text(number.encode()) + end + b"".join(named) + end + end


def test_a_form_of_many_parts_is_read_in_few_pieces(
    connection: tuple[Counted, socket.socket],
) -> None:
    """Every call of the system gives the interpreter's lock to a running explanation."""
    ours, theirs = connection
    requests = {"many": [b"x"] * 20_000, "long": [bytes(3 * READ_BYTES), b"", b"end"]}
    for number, parts in requests.items():
        sender = threading.Thread(target=theirs.sendall, args=(message(number, parts),))
        sender.start()
        _, ((request,)) = retrieve_msg(ours)
        sender.join()
        assert request["requestId"].decode() == number
        assert [part["value"] for part in request["parameters"]] == parts
        assert request["parameters"][-1]["name"] == f"x{len(parts) - 1}"
    assert ours.calls < 500


def test_a_worker_ends_with_its_connection(connection: tuple[Counted, socket.socket]) -> None:
    ours, theirs = connection
    theirs.sendall(message("cut", [b"x"])[:-9])
    theirs.close()
    with pytest.raises(SystemExit):
        retrieve_msg(ours)
