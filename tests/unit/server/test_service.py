"""The service without a server: what each request is answered, and what the operator sets."""

from __future__ import annotations

import base64
import gc
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
from tests.captures import Capture
from tests.unit.server.requests import SLOW, TIMEOUT_S, ask, begin, events, npz, wait

from videovisual.engine.optimise.cuda_graphs import Recorder
from videovisual.engine.probe import Work
from videovisual.errors import Overloaded
from videovisual.faithfulness import Faithfulness
from videovisual.server.request import Request
from videovisual.server.request_state import RequestState
from videovisual.server.service import Service
from videovisual.server.settings import Settings
from videovisual.zoo import Classifier


def test_a_search_is_recorded_where_its_device_records(small: Classifier) -> None:
    """As on a GPU: before and after a pass, and the pass."""
    service = Service(small, settings=Settings(idle=False))
    capture = Capture()
    service.engine.runner.recorder = Recorder(capture)
    try:
        for _ in range(2):
            assert ask(service, method=b"ep_3d", iterations=b"3").status == 200
            assert capture.recorded == 3
    finally:
        service.close()


def test_a_full_service_refuses_at_once_and_says_when_to_come_back(service: Service) -> None:
    busy = [begin(service, name, **SLOW) for name in ("running", "waiting")]
    refused = begin(service, "refused", **SLOW).reply
    assert refused is not None
    assert refused.status == 503
    assert refused.headers == {"Retry-After": "2"}
    error = json.loads(refused.body)["error"]
    assert error["detail"] == {"retry_after_s": 2, "reason": "jobs"}
    # Classifications have a share of their own.
    assert ask(service).status == 200
    for state in busy:
        state.cancel()
    assert [wait(service, state).status for state in busy] == [499, 499]
    assert ask(service, method=b"gradient").status == 200


def test_requests_that_hold_too_much_memory_are_refused(small: Classifier) -> None:
    service = Service(small, settings=Settings(max_bytes=33 * 2**20))
    busy = begin(service, "busy", **SLOW)
    reply = ask(service)
    assert reply.status == 503
    assert json.loads(reply.body)["error"]["detail"]["reason"] == "memory"
    busy.cancel()
    assert wait(service, busy).status == 499
    service.close()


def test_who_waits_is_told_its_place_and_goes_on_when_it_is_its_turn(service: Service) -> None:
    running = begin(service, "running", **SLOW)
    waiting = begin(service, "waiting", method=b"gradient", stream=b"true", top_k=b"1")
    deadline = time.monotonic() + TIMEOUT_S
    while not waiting.streaming and time.monotonic() < deadline:
        service.wait(0.01)
    assert events(waiting) == [{"event": "accepted", "job": "waiting", "queue": 1}]
    service.cancel("running")
    assert wait(service, running).status == 499
    assert wait(service, waiting).status == 200
    assert [event["event"] for event in events(waiting)][-2:] == ["result", "done"]


@pytest.mark.parametrize("state", ["running", "waiting"])
@pytest.mark.parametrize("form", [str, str.encode])
def test_a_request_can_be_cancelled_by_its_id(
    service: Service, state: str, form: Callable[[str], str | bytes]
) -> None:
    states = {name: begin(service, name, **SLOW) for name in ("running", "waiting")}
    body = {"cancel": form(state)}
    cancelled = service.submit(Request({"body": body} if state == "running" else body)).reply
    assert cancelled is not None
    assert json.loads(cancelled.body) == {"cancelled": True}
    reply = wait(service, states[state])
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (499, "cancelled")
    assert states[state].late_steps <= 1
    unknown = service.submit(Request({"cancel": "nobody"})).reply
    assert unknown is not None
    assert json.loads(unknown.body) == {"cancelled": False}
    service.cancel("waiting")
    service.cancel("running")


def test_a_request_that_the_server_cancels_is_told_why(service: Service) -> None:
    told: list[str] = []
    why = Overloaded("The server is stopping.", retry_after_s=3, reason="stopping")
    request = Request({"video": npz(), **SLOW})
    busy = [service.submit(request, each, lambda: told.append("news")) for each in "ab"]
    for state in busy:
        state.cancel(why)
        reply = wait(service, state)
        assert (reply.status, reply.headers) == (503, {"Retry-After": "3"})
        assert json.loads(reply.body) == why.as_json()
    assert told


def test_what_a_cancelled_request_held_is_freed_though_nobody_looks_for_cycles(
    service: Service,
) -> None:
    def clips() -> int:
        return sum(type(each) is torch.Tensor and each.ndim >= 4 for each in gc.get_objects())

    wait(service, begin(service, "first", method=b"gradient"))
    gc.collect()
    gc.disable()
    try:
        before = clips()
        for number in range(5):
            state = begin(service, f"number {number}", **SLOW)
            deadline = time.monotonic() + TIMEOUT_S
            while not service.engine.active and time.monotonic() < deadline:
                service.wait(0.01)
            service.cancel(state.number)
            assert wait(service, state).status == 499
        deadline = time.monotonic() + 5
        # A worker holds its last step until the next one.
        while clips() > before + 2 and time.monotonic() < deadline:
            service.wait(0.01)
        assert clips() <= before + 2
    finally:
        gc.enable()


def test_at_the_deadline_the_best_map_so_far_is_answered_if_it_is_wanted(service: Service) -> None:
    late = SLOW | {"timeout_s": b"1"}
    assert ask(service, **late).status == 504
    reply = ask(service, **late, partial=b"true")
    assert reply.status == 200
    (explanation,) = json.loads(reply.body)["explanations"]
    assert explanation["diagnostics"]["partial"] is True
    assert 0 < explanation["diagnostics"]["masks"] < 20000
    assert explanation["provenance"]["method"] == "rise"
    steady = {"method": b"ig", "steps": b"1000", "timeout_s": b"1", "partial": b"true"}
    assert ask(service, **steady).status == 504


def test_a_stream_tells_how_long_it_takes_and_the_best_map_so_far(service: Service) -> None:
    state = begin(
        service, "7", **SLOW, stream=b"true", partial_every_s=b"0.2", timeout_s=b"3", target=b"2"
    )
    wait(service, state)
    told = events(state)
    label = service.classifier.card.labels[2]
    assert told[0] == {"event": "accepted", "job": "7", "queue": 0}
    progress = [event for event in told if event["event"] == "progress"]
    assert progress[-1]["eta_s"] > 0
    assert {(event["method"], event["target"]) for event in progress} == {("rise", label)}
    partial = [event for event in told if event["event"] == "partial"]
    assert 1 <= len(partial) <= 15
    assert partial[0]["map"]["shape"] == [16, 64, 64]
    assert partial[-1]["step"] > 0
    assert [event["event"] for event in told[-2:]] == ["error", "done"]
    assert told[-2]["status"] == 504


def test_an_explanations_own_classification_is_in_no_classifications_way(service: Service) -> None:
    gate = threading.Event()

    def occupy() -> Work[None]:
        gate.wait(TIMEOUT_S)
        return
        yield

    service.engine.submit(occupy(), classification=True)
    try:
        explained = ask(service, method=b"gradient")
        classified = begin(service, "classification")
        assert explained.status == 200
        assert classified.reply is None
    finally:
        gate.set()
    assert wait(service, classified).status == 200


def test_too_large_an_answer_is_refused_before_it_is_sent(service: Service) -> None:
    reply = ask(service, method=b"gradient", target=b'["1", "2"]')
    assert reply.status == 413
    assert json.loads(reply.body)["error"]["detail"]["maximum"] == 400_000


def test_a_bug_costs_one_request(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr("videovisual.pipeline.pipeline.predictions", broken)
        reply = ask(service)
    assert reply.status == 500
    assert json.loads(reply.body)["error"]["code"] == "internal"
    assert "a bug" not in reply.body.decode()
    assert ask(service).status == 200


def test_a_streamed_request_ends_with_done_even_when_it_fails(service: Service) -> None:
    state = service.submit(Request({"video": npz(1), "method": b"gradient", "stream": b"true"}))
    assert wait(service, state).status == 422
    events = [json.loads(line) for line in state.take_lines().splitlines()]
    assert [event["event"] for event in events] == ["accepted", "error", "done"]
    assert events[1]["status"] == 422
    assert events[1]["error"]["code"] == "clip_too_short"


@pytest.mark.parametrize("depth", [900, 960, 980, 1000, 100_000])
@pytest.mark.parametrize(
    ("name", "method"), [("target", b"gradient"), ("method", None), ("area", b"step")]
)
def test_an_option_may_not_be_nested(
    service: Service, depth: int, name: str, method: bytes | None
) -> None:
    nested = b"[" * depth + b"]" * depth
    reply = ask(service, **({"method": method} if method else {}) | {name: nested})
    assert reply.status == 422, reply.body


def test_half_a_character_is_answered_as_a_whole_one(service: Service) -> None:
    video = base64.b64encode(npz()).decode()
    body = {"video": video, "method": "gradient", "target": "\ud800"}
    reply = wait(service, service.submit(Request({"body": body})))
    assert (reply.status, json.loads(reply.body)["error"]["detail"]["target"]) == (422, r"\ud800")
    state = service.submit(Request({"body": {"frame_000": "aaaa", "stream": True}}))
    wait(service, state)
    assert [event["event"] for event in events(state)] == ["accepted", "error", "done"]


def test_several_methods_share_a_request_and_each_takes_its_own_parameters(
    service: Service,
) -> None:
    reply = ask(service, method=b'["gradient", "ig"]', steps=b"2", top_k=b"1")
    assert reply.status == 413  # two maps are over this service's limit, so both were made
    reply = ask(service, method=b'["grad", "ig"]', area=b"0.1")
    assert (
        "None of gradient, integrated_gradients has a parameter 'area'"
        in json.loads(reply.body)["error"]["message"]
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("output", "png"),
        ("evaluate", "true"),
        ("polarity", "negative"),
        ("target", "3"),
        ("partial", "true"),
        ("partial_every_s", "1.0"),
        ("area", "0.1"),
    ],
)
def test_what_only_an_explanation_has_is_refused_without_a_method(
    service: Service, name: str, value: str
) -> None:
    reply = ask(service, **{name: value.encode()})
    error = json.loads(reply.body)["error"]
    assert (reply.status, error["code"]) == (422, "invalid_parameter")
    assert error["detail"]["parameter"] == name
    assert name in error["message"]
    assert "`method`" in error["message"]


def test_the_defaults_of_an_explanation_may_be_told_to_a_classification(service: Service) -> None:
    reply = ask(service, output=b"json", evaluate=b"false", polarity=b"both", target=b"top1")
    assert reply.status == 200


def test_a_request_may_ask_how_faithful_its_map_is(service: Service) -> None:
    reply = ask(service, method=b"ig", steps=b"2", evaluate=b"true")
    (explanation,) = json.loads(reply.body)["explanations"]
    measured = explanation["faithfulness"]
    assert set(measured) == {each.name for each in fields(Faithfulness)} - {"undefined"}
    assert 0 <= measured["insertion"] <= 1
    assert measured["area"] == pytest.approx(0.1, abs=1e-4)


def test_a_request_may_ask_how_stable_its_method_is(service: Service) -> None:
    reply = ask(service, method=b"gradient", stability=b"true")
    (explanation,) = json.loads(reply.body)["explanations"]
    changes = ("", "_noise", "_frame", "_pixels", "_seed")
    names = {f"stability{change}{kind}" for change in changes for kind in ("", "_overlap")}
    assert set(explanation["faithfulness"]) == names
    assert explanation["faithfulness"]["stability_seed"] == pytest.approx(1)
    assert -1 <= explanation["faithfulness"]["stability"] <= 1


def test_the_first_search_of_a_worker_imports_nothing() -> None:
    """An import holds Python's lock, and with it every classification that comes meanwhile."""
    code = """
import io, sys, time
import numpy as np
from videovisual import motion, zoo
from videovisual.server.request import Request
from videovisual.server.request_state import RequestState
from videovisual.server.service import Service
from videovisual.server.settings import Settings

def explain(method):
    state = service.submit(Request({"video": buffer.getvalue(), **method}))
    while state.reply is None:
        service.wait(0.05)
    assert state.reply.status == 200, state.reply.body

buffer = io.BytesIO()
np.savez(buffer, frames=motion.sample(0).frames)
service = Service(zoo.load("tsm-motion"), settings=Settings(idle=False))
service.warm_up()
explain({})
before = set(sys.modules)
explain({"method": b"step", "iterations": b"12"})
service.close()
packages = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(packages - sys.stdlib_module_names - {"videovisual"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=TIMEOUT_S
    )
    assert done.stdout.split() == []


def test_a_bug_in_the_planning_costs_one_request(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyError("bug")

    with monkeypatch.context() as patched:
        patched.setattr(service, "_plan", fail)
        reply = ask(service)
    assert (reply.status, json.loads(reply.body)["error"]["code"]) == (500, "internal")
    assert ask(service).status == 200


def test_a_deadline_is_looked_at_before_every_frame(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames may be so large that a few take longer than the request has."""
    looked: list[RequestState] = []

    def look(state: RequestState) -> None:
        looked.append(state)

    monkeypatch.setattr(RequestState, "check", look)
    assert ask(service).status == 200
    once = len(looked)
    assert once > 16
    assert ask(service, views=b"2").status == 200
    assert len(looked) - once > 16
