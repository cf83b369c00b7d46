"""The service without a server: what each request is answered, and what the operator sets."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.frames import blocks

from videovisual.errors import InvalidParameter
from videovisual.intake import Request
from videovisual.service import Service, Settings
from videovisual.ticket import Reply, Ticket
from videovisual.zoo import Classifier

TIMEOUT_S = 60


def npz(count: int = 16) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, frames=blocks(count, 64, 64))
    return buffer.getvalue()


@pytest.fixture
def service(small: Classifier) -> Iterator[Service]:
    service = Service(small, settings=Settings(max_requests=2, max_reply_bytes=400_000))
    yield service
    service.close()


def wait(service: Service, ticket: Ticket) -> Reply:
    deadline = time.monotonic() + TIMEOUT_S
    while ticket.reply is None:
        assert time.monotonic() < deadline, "no reply"
        service.wait(0.01)
    return ticket.reply


def ask(service: Service, **parts: object) -> Reply:
    return wait(service, service.submit(Request({"video": npz(), **parts})))


def test_a_full_service_refuses_at_once_and_says_when_to_come_back(service: Service) -> None:
    slow = {"video": npz(), "method": b"ig", "steps": b"1000"}
    running = [service.submit(Request(slow)) for _ in range(2)]
    refused = service.submit(Request({"video": npz()})).reply
    assert refused is not None
    assert refused.status == 503
    assert refused.headers == {"Retry-After": "2"}
    for ticket in running:
        ticket.cancel()
    assert [wait(service, ticket).status for ticket in running] == [499, 499]
    assert ask(service).status == 200


def test_too_large_an_answer_is_refused_before_it_is_sent(service: Service) -> None:
    reply = ask(service, method=b"gradient", target=b'["1", "2"]')
    assert reply.status == 413
    assert json.loads(reply.body)["error"]["detail"]["maximum"] == 400_000


def test_a_bug_costs_one_request(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("videovisual.service.predictions", broken)
        reply = ask(service)
    assert reply.status == 500
    assert json.loads(reply.body)["error"]["code"] == "internal"
    assert "a bug" not in reply.body.decode()
    assert ask(service).status == 200


def test_a_streamed_request_ends_with_done_even_when_it_fails(service: Service) -> None:
    ticket = service.submit(Request({"video": npz(1), "method": b"gradient", "stream": b"true"}))
    assert wait(service, ticket).status == 422
    events = [json.loads(line) for line in ticket.take_lines().splitlines()]
    assert [event["event"] for event in events] == ["accepted", "error", "done"]
    assert events[1]["status"] == 422
    assert events[1]["error"]["code"] == "clip_too_short"


def test_settings_come_from_the_file_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.json"
    monkeypatch.setenv("VIDEOVISUAL_SETTINGS", str(file))
    file.write_text('{"max_requests": 5, "limits": {"max_frames": 7}}')
    settings = Settings.from_environment()
    assert (settings.max_requests, settings.limits.max_frames) == (5, 7)
    file.write_text('{"max_request": 5}')
    with pytest.raises(InvalidParameter, match=r"settings\.json.*max_requests"):
        Settings.from_environment()


def test_several_methods_share_a_request_and_each_takes_its_own_parameters(
    service: Service,
) -> None:
    reply = ask(service, method=b'["gradient", "ig"]', steps=b"2", top_k=b"1")
    assert reply.status == 413  # two maps are over this service's limit, so both were made
    reply = ask(service, method=b'["grad", "ig"]', area=b"0.1")
    assert "None of grad, ig has a parameter 'area'" in json.loads(reply.body)["error"]["message"]


def test_a_request_may_ask_how_faithful_its_map_is(service: Service) -> None:
    reply = ask(service, method=b"ig", steps=b"2", evaluate=b"true")
    (explanation,) = json.loads(reply.body)["explanations"]
    assert set(explanation["faithfulness"]) == {
        "insertion",
        "deletion",
        "sensitivity_n",
        "relative_delta",
    }
    assert 0 <= explanation["faithfulness"]["insertion"] <= 1
    reply = ask(service, evaluate=b"true")
    assert reply.status == 422
