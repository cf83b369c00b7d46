"""`docs/openapi.yaml`: what the generator writes, valid, and true of what the service answers."""

from __future__ import annotations

import base64
import io
import json
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import numpy as np
import pytest
import yaml
from docs import openapi
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from tests.frames import blocks

from videovisual.attribution.catalogue import ENTRIES
from videovisual.protocol import Options
from videovisual.server.request import Request
from videovisual.server.request_state import RequestState
from videovisual.server.service import Service
from videovisual.zoo import Classifier

DOCUMENT = yaml.safe_load(openapi.PAGE.read_text("utf-8"))
SCHEMAS = DOCUMENT["components"]["schemas"]
FAILURES = DOCUMENT["components"]["responses"]
TIMEOUT_S = 60


def check(pointer: str, instance: Any) -> None:
    Draft202012Validator({**DOCUMENT, "$ref": f"#/components/{pointer}"}).validate(instance)


def codes(status: str) -> set[str]:
    """The codes of our own errors that a status may stand for."""
    return set(re.findall(r"`([a-z_]+)`: ", FAILURES[status]["description"]))


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, frames=blocks(16, 64, 64), fps=8.0)
    return buffer.getvalue()


JSON = {"video": base64.b64encode(npz()).decode()}
EXPLAIN = {"method": "gradient_x_input", "target": [1, "top1"], "polarity": "positive"}


@pytest.fixture
def service(small: Classifier) -> Iterator[Service]:
    service = Service(small)
    yield service
    service.close()


def answered(service: Service, body: Mapping[str, Any]) -> RequestState:
    return finished(service, service.submit(Request({"body": dict(body)})))


def finished(service: Service, state: RequestState) -> RequestState:
    deadline = time.monotonic() + TIMEOUT_S
    while state.reply is None:
        assert time.monotonic() < deadline, "no reply"
        service.wait(0.01)
    return state


def test_the_file_is_what_the_generator_writes() -> None:
    assert openapi.PAGE.read_text("utf-8") == openapi.page(), "run `make docs`"


def test_it_is_valid() -> None:
    validate(DOCUMENT)


def test_whatever_can_be_asked_for_is_in_every_form_of_a_request() -> None:
    names = set(Options.model_fields)
    for entry in ENTRIES:
        names |= set(entry.parameters.model_fields)
    assert SCHEMAS["JsonClip"]["properties"].keys() == names | {"video"}
    assert SCHEMAS["KServeRequest"]["properties"].keys() == names | {"instances", "inputs"}
    assert SCHEMAS["Form"]["properties"].keys() == names | {"video", "frame_000"}
    assert DOCUMENT["components"]["parameters"].keys() == names


def test_it_lists_the_errors_that_the_prose_lists() -> None:
    prose = (openapi.PAGE.parent / "api.md").read_text("utf-8")
    told = {
        status: set(re.findall("`([a-z_]+)`", names))
        for status, names in re.findall(r"^\| (\d{3}) \| (.*?) \|", prose, re.M)
    }
    assert {status: codes(status) for status in FAILURES if codes(status)} == told


@pytest.mark.parametrize(
    "given", [{}, {"timeline": True}, EXPLAIN, {"method": ["grad_cam", "rise"], "masks": 2}]
)
def test_answers(service: Service, given: dict[str, Any]) -> None:
    check("schemas/JsonClip", JSON | given)
    answer = json.loads(answered(service, JSON | given).reply.body)
    check("schemas/Answer", answer)
    enveloped = {"instances": [{"video": {"b64": JSON["video"]}}], **given}
    check("schemas/KServeRequest", enveloped)
    check("schemas/KServeAnswer", json.loads(answered(service, enveloped).reply.body))
    explained = service.submit(Request({"body": {"inputs": enveloped["instances"]}}, explain=True))
    check("schemas/KServeExplanation", json.loads(finished(service, explained).reply.body))


def test_an_answer_that_lacks_a_member_is_none_of_the_documents(service: Service) -> None:
    answer = json.loads(answered(service, JSON).reply.body)
    del answer["predictions"][0]["logit"]
    with pytest.raises(jsonschema.ValidationError):
        check("schemas/Answer", answer)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"video": base64.b64encode(b"no video").decode()}, 415),
        (JSON | {"top_k": 0}, 422),
        (JSON | {"target": "nothing", "method": "gradient"}, 422),
        (JSON | {"method": "rise", "masks": 20000, "timeout_s": 0.01}, 504),
    ],
)
def test_errors(service: Service, body: dict[str, Any], status: int) -> None:
    reply = answered(service, body).reply
    assert reply.status == status
    check(f"responses/{status}/content/application~1json/schema", json.loads(reply.body))


INFER = {
    "inputs": [{"name": "video", "shape": [1], "datatype": "BYTES", "data": [JSON["video"]]}],
    "outputs": [{"name": "logits"}, {"name": "labels", "parameters": {"binary_data": False}}],
    "parameters": {"method": "gradient", "target": "top1"},
}


def test_tensors(service: Service) -> None:
    check("schemas/InferRequest", INFER)
    check("schemas/InferResponse", json.loads(answered(service, INFER).reply.body))
    reply = answered(service, INFER | {"outputs": [{"name": "boxes"}]}).reply
    check("schemas/InferFailure", json.loads(reply.body))
    assert reply.status == 422


def test_a_cancellation(service: Service) -> None:
    check("schemas/Cancel", {"cancel": "nobody"})
    check("schemas/Cancellation", json.loads(answered(service, {"cancel": "nobody"}).reply.body))


@pytest.mark.parametrize(
    ("given", "last"),
    [
        ({"method": "rise", "masks": 40, "partial_every_s": 0.2}, "result"),
        ({"method": "gradient", "output": "npz"}, "result"),
        ({"method": "rise", "masks": 20000, "timeout_s": 1}, "error"),
    ],
)
def test_streams(service: Service, given: dict[str, Any], last: str) -> None:
    state = answered(service, JSON | given | {"stream": True})
    lines = b""
    while not state.is_sent:
        lines += state.take_lines()
    told = [json.loads(line) for line in lines.splitlines()]
    for event in told:
        check("schemas/Event", event)
    assert [told[0]["event"], told[-2]["event"], told[-1]["event"]] == ["accepted", last, "done"]
