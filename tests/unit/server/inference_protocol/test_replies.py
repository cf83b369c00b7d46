"""What a service answers to tensors: the same as on its other routes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.frames import blocks
from tests.unit.server.requests import ask, npz, wait

from videovisual.protocol import Answer
from videovisual.server.inference_protocol import metadata
from videovisual.server.inference_protocol.outputs import Tensor
from videovisual.server.reply import Reply
from videovisual.server.request import Request
from videovisual.server.service import Service
from videovisual.server.settings import Settings
from videovisual.zoo import Classifier

FRAMES = blocks(16, 64, 64)
CLIP = {"name": "clip", "shape": list(FRAMES.shape), "datatype": "UINT8"}
VIDEO = {
    "name": "video",
    "shape": [1],
    "datatype": "BYTES",
    "data": [base64.b64encode(npz()).decode()],
}


@pytest.fixture
def service(small: Classifier) -> Iterator[Service]:
    service = Service(
        small,
        settings=Settings(max_running=1, max_waiting=1, max_reply_bytes=3_000_000, idle=False),
    )
    yield service
    service.close()


def infer(service: Service, tensor: dict[str, Any] = VIDEO, **more: Any) -> Reply:
    body = json.dumps({"inputs": [tensor], **more}).encode()
    return wait(service, service.submit(Request({"body": body}, inference=True)))


def tensors(reply: Reply) -> dict[str, Any]:
    """An answer's outputs by name: arrays, and lists of texts."""
    assert reply.status == 200, reply.body
    length = int(reply.headers.get("Inference-Header-Content-Length", len(reply.body)))
    start, found = length, {}
    for output in json.loads(reply.body[:length])["outputs"]:
        size = output.get("parameters", {}).get("binary_data_size")
        if size is None:
            values = output["data"]
        else:
            values = reply.body[start : start + size]
            start += size
            if output["datatype"] == "BYTES":
                values = texts(values)
            else:
                values = np.frombuffer(values, "<f4")
        if output["datatype"] == "FP32":
            values = np.array(values, np.float32).reshape(output["shape"])
        else:
            assert len(values) == np.prod(output["shape"])
        found[output["name"]] = values
    assert start == len(reply.body)
    return found


def texts(data: bytes) -> list[str]:
    found = []
    while data:
        size = int.from_bytes(data[:4], "little")
        found.append(data[4 : 4 + size].decode())
        data = data[4 + size :]
    return found


@pytest.mark.parametrize("binary", [False, True])
def test_outputs_are_the_answer_of_other_routes(service: Service, binary: bool) -> None:
    parameters = {"method": "gradient_x_input", "target": '["top1", 1]'}
    expected = Answer.model_validate_json(
        ask(service, **{name: value.encode() for name, value in parameters.items()}).body
    )
    sent = {"binary_data_output": binary, **parameters}
    found = tensors(infer(service, parameters=sent))
    assert list(found) == ["logits", "scores", "labels", "saliency", "saliency_1"]
    for each in expected.predictions:
        assert found["labels"][each.index] == each.label
        assert found["logits"][each.index] == np.float32(each.logit)
        assert found["scores"][each.index] == np.float32(each.probability or 0)
    for name, explanation in zip(("saliency", "saliency_1"), expected.explanations, strict=True):
        np.testing.assert_array_equal(found[name], explanation.map.to_numpy())
    wanted = [{"name": "answer"}, {"name": "saliency_1", "parameters": {"binary_data": True}}]
    found = tensors(infer(service, parameters=sent, outputs=wanted))
    assert list(found) == ["answer", "saliency_1"]
    assert Answer.model_validate_json(found["answer"][0]) == expected


def test_frames_give_what_the_same_frames_in_a_file_give(service: Service) -> None:
    expected = tensors(infer(service))
    sent = CLIP | {"data": FRAMES.ravel().tolist()}
    found = tensors(infer(service, sent))
    np.testing.assert_array_equal(found["logits"], expected["logits"])
    (answer,) = tensors(infer(service, sent, outputs=[{"name": "answer"}]))["answer"]
    assert json.loads(answer)["clip"]["source"]["format"] == "frames"


def test_a_map_that_is_asked_for_is_made(service: Service) -> None:
    found = tensors(infer(service, outputs=[{"name": "saliency"}]))
    assert found["saliency"].shape == (16, 64, 64)


def test_the_id_comes_back(service: Service) -> None:
    for given in ({"id": 'seven "7" ☃'}, {"id": ""}, {}):
        assert json.loads(infer(service, **given).body).get("id") == given.get("id")


def test_windows_give_their_average(service: Service) -> None:
    (answer,) = tensors(infer(service, parameters={"views": 2}, outputs=[{"name": "answer"}]))[
        "answer"
    ]
    found = tensors(infer(service, parameters={"views": 2}))
    best = json.loads(answer)["predictions"][0]
    assert found["logits"][best["index"]] == np.float32(best["logit"])


WRONG = {
    "unknown output": (422, {"outputs": [{"name": "boxes"}]}, "logits, scores, labels, answer"),
    "map of no method": (422, {"outputs": [{"name": "saliency_1"}]}, "saliency_1"),
    "stream": (422, {"parameters": {"stream": True}}, "stream is no option of this protocol"),
    "output": (422, {"parameters": {"output": "png"}}, "output is no option"),
    "job": (422, {"parameters": {"job": True}}, "job is no option"),
    "option": (422, {"parameters": {"timeout": 5000}}, "Nearest: timeout_s"),
    "nested": (400, {"parameters": {"top_k": {"a": [1]}}}, "top_k"),
    "method": (422, {"parameters": {"method": "magic"}}, "magic"),
    "large": (413, {"parameters": {"method": "gradient", "target": "[0, 1, 2]"}}, "binary_data"),
    "tensor": (400, {"tensor": CLIP}, "data"),
}


@pytest.mark.parametrize(("status", "asked", "message"), WRONG.values(), ids=WRONG.keys())
def test_errors_are_texts_with_the_facts_beside(
    service: Service, status: int, asked: dict[str, Any], message: str
) -> None:
    reply = infer(service, **asked)
    told = json.loads(reply.body)
    assert (reply.status, set(told)) == (status, {"error", "code", "detail"}), told
    assert message in told["error"]


def test_whatever_a_service_refuses_has_that_shape(service: Service) -> None:
    """Also where the request isn't known for one of version 2 before it is read."""
    service.submit(Request({"video": npz(), "method": b"rise", "masks": b"20000"}))
    service.submit(Request({"video": npz(), "method": b"rise", "masks": b"20000"}))
    reply = infer(service, parameters={"method": "rise", "masks": 20000})
    assert (reply.status, json.loads(reply.body)["code"]) == (503, "overloaded")
    assert "Retry-After" in reply.headers
    body = json.dumps({"inputs": [CLIP]}).encode()
    for headers in ({"content-type": "application/json"}, {}):
        state = service.submit(Request({"body": body}, headers))
        assert "data" in json.loads(wait(service, state).body)["error"]


def test_raw_scores_are_no_probabilities(small: Classifier) -> None:
    raw = replace(small.card, scores="raw")
    assert [each.name for each in metadata.model(raw).outputs] == [
        *("logits", "labels", "saliency", "answer")
    ]


def test_metadata_is_true(service: Service) -> None:
    about = metadata.model(service.classifier.card)
    wanted = [{"name": each.name} for each in about.outputs]
    sent = {"parameters": {"method": "gradient", "binary_data_output": True}}
    reply = infer(service, outputs=wanted, **sent)
    length = int(reply.headers["Inference-Header-Content-Length"])
    answered = json.loads(reply.body[:length])
    assert (answered["model_name"], answered["model_version"]) == (about.name, about.versions[0])
    for told, given in zip(about.outputs, answered["outputs"], strict=True):
        assert (told.name, told.datatype) == (given["name"], given["datatype"])
        pairs = zip(told.shape, given["shape"], strict=True)
        assert all(said in (-1, found) for said, found in pairs)


def test_any_float_survives_json() -> None:
    values = np.array([0, 1e-45, 3.4028235e38, -1.1754944e-38, 0.1, 16777217, 1 / 3], np.float32)
    data = json.loads(Tensor("x", values).text())
    np.testing.assert_array_equal(np.array(data, np.float32), values)
