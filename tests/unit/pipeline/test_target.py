"""A target means the same in the library, in JSON, in a form, in a header and in the client."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from tests.frames import blocks

import videovisual
from videovisual.errors import InvalidParameter, InvalidTarget
from videovisual.protocol import Explanation
from videovisual.protocol.caveats import caveats
from videovisual.server.request import Request
from videovisual.server.service import Service
from videovisual.server.settings import Settings
from videovisual.zoo import Classifier
from videovisual_client.errors import from_response
from videovisual_client.request import targets

LABELS = ("a", "2", "b", "[1]", "one, two", "null", "[x]", "7", "h", "i")
Facts = dict[str, Any]
Ask = Callable[[Any], Facts]


@pytest.fixture(scope="module")
def upload() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, frames=blocks(16, 64, 64))
    return buffer.getvalue()


@pytest.fixture
def classifier(small: Classifier) -> Classifier:
    return Classifier(dataclasses.replace(small.card, labels=LABELS), small.network, "0")


@pytest.fixture
def service(classifier: Classifier) -> Iterator[Service]:
    served = Service(classifier, settings=Settings(threads=1))
    yield served
    served.close()


def asked(service: Service, request: Request) -> Facts:
    state = service.submit(request)
    deadline = time.monotonic() + 60
    while state.reply is None:
        assert time.monotonic() < deadline, "no reply"
        service.wait(0.05)
    if error := from_response(state.reply.status, state.reply.body):
        raise error
    answer = json.loads(state.reply.body)
    (explanation,) = answer.get("explanations") or answer["predictions"][0]["explanations"]
    found: Facts = explanation
    return found


@pytest.fixture(params=["library", "json", "kserve", "client"])
def typed(
    request: pytest.FixtureRequest, classifier: Classifier, service: Service, upload: bytes
) -> Ask:
    """Asks for a target in a way that knows names from numbers."""
    encoded = base64.b64encode(upload).decode()

    def library(target: Any) -> Facts:
        saliency = videovisual.explain(classifier, blocks(16, 64, 64), "gradient", target)
        return {"provenance": saliency.provenance, "diagnostics": saliency.diagnostics}

    def client(target: Any) -> Facts:
        return ask_form(service, upload, targets(target))

    def in_json(target: Any) -> Facts:
        body = {"video": encoded, "method": "gradient", "target": target}
        return asked(service, Request({"body": body}))

    def kserve(target: Any) -> Facts:
        body = {"instances": [{"video": encoded}], "method": "gradient", "target": target}
        return asked(service, Request({"body": body}))

    ways = {"library": library, "json": in_json, "kserve": kserve, "client": client}
    return ways[request.param]


@pytest.fixture(params=["form", "header"])
def text(request: pytest.FixtureRequest, service: Service, upload: bytes) -> Ask:
    """Asks for a target in a way that has text only."""

    def header(target: str) -> Facts:
        headers = {"x-videovisual-target": target, "x-videovisual-method": "gradient"}
        return asked(service, Request({"body": upload}, headers))

    return header if request.param == "header" else lambda target: ask_form(service, upload, target)


def ask_form(service: Service, upload: bytes, target: str) -> Facts:
    parts = {"video": upload, "method": b"gradient", "target": target.encode()}
    return asked(service, Request(parts))


def test_typed_targets(typed: Ask) -> None:
    named = {label: index for index, label in enumerate(LABELS)}
    for target, index in {**named, 1: 1, 9: 9, "0": 0, "One_Two": None}.items():
        if index is None:
            with pytest.raises(InvalidTarget):
                typed(target)
        else:
            assert typed(target)["provenance"]["target"]["index"] == index, target


@pytest.mark.parametrize("target", [True, 1.0, -1, 10, "", "10"])
def test_what_is_no_target_is_refused(typed: Ask, target: object) -> None:
    with pytest.raises(InvalidParameter) as refused:
        typed(target)
    assert "target" in refused.value.message or "class" in refused.value.message


def test_text_is_a_name_first_and_then_an_index(text: Ask) -> None:
    readings = {"a": 0, "b": 2, "one, two": 4, "null": 5, "[x]": 6, "0": 0, "9": 9}
    lists = {"[2]": 2, '["2"]': 1, '["[1]"]': 3, "[7]": 7}
    for target, index in {**readings, **lists}.items():
        assert text(target)["provenance"]["target"]["index"] == index, target


def test_two_readings_of_one_text_are_told(text: Ask) -> None:
    found = text("2")
    assert found["provenance"]["target"] == {"index": 1, "label": "2"}
    assert found["diagnostics"]["target_read_as"] == {"name": "2", "index_of": "b"}
    (told,) = (line for line in caveats(Explanation.model_validate(found)) if "Two" in line)
    assert "'2' was taken as a class's name; as an index it would be 'b'" in told
    # The seventh class is called 7, so both readings agree.
    assert "target_read_as" not in text("7")["diagnostics"]
