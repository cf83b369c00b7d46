"""Every way into TorchServe that an inference key opens, or none: what is behind it, and that
another client's explanation goes on meanwhile."""

from __future__ import annotations

import base64
import gzip
import http.client
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from tests.serving import clips
from tests.serving.api import Api, eventually
from tests.serving.conftest import QUICK

from videovisual_client.token import read_properties

PROMPT_S = 5
"""How long an answer may take that needs no work, on a busy machine."""

CLIP = clips.npz(clips.frames(16))
LONG = {"method": "rise", "masks": "20000", "stream": "true"}
PREDICT = f"/predictions/{QUICK}"
EXPLAIN = f"/explanations/{QUICK}"
JSON = {"Content-Type": "application/json"}
INSTANCES = json.dumps({"instances": [{"b64": base64.b64encode(CLIP).decode()}]}).encode()

FORM = {"Content-Type": "multipart/form-data; boundary=edge"}


def part(name: str, value: bytes) -> bytes:
    head = f'--edge\r\nContent-Disposition: form-data; name="{name}"; filename="x"\r\n\r\n'
    return head.encode() + value + b"\r\n"


END = b"--edge--\r\n"
GOOD = part("video", CLIP) + END
METHODS = ("GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "FOO")

DOORS = {
    "describe": ("POST", PREDICT, FORM | {"describe": "True"}, GOOD, {200}),
    "Describe": ("POST", PREDICT, FORM | {"Describe": "True"}, GOOD, {200}),
    "describe, no part": ("POST", PREDICT, FORM | {"describe": "True"}, END, {400}),
    "describe, no body": ("GET", PREDICT, {"describe": "True"}, b"", {400}),
    "describe, invoke": ("GET", f"/models/{QUICK}/invoke", {"describe": "True"}, b"", {400}),
    "sequence": (
        *("POST", PREDICT),
        FORM | {"ts_request_sequence_id": "a", "ts_request_sequence_start": "true"},
        *(GOOD, {200}),
    ),
    # It passes its `model_name` on, which is no option.
    "invocations": ("POST", f"/invocations?model_name={QUICK}", FORM, GOOD, {422}),
    "invoke": ("POST", f"/models/{QUICK}/invoke", FORM, GOOD, {200}),
    "legacy": ("POST", f"/{QUICK}/predict", FORM, GOOD, {200}),
    "v1 predict": ("POST", f"/v1/models/{QUICK}:predict", JSON, INSTANCES, {200}),
    "v1 explain": ("POST", f"/v1/models/{QUICK}:explain", JSON, INSTANCES, {200}),
    "v2 infer": ("POST", f"/v2/models/{QUICK}/infer", JSON, INSTANCES, {200}),
    "v2 explain": ("POST", f"/v2/models/{QUICK}/explain", JSON, INSTANCES, {200}),
    "v1 models": ("GET", "/v1/models", {}, b"", {404}),
    "v2 health": ("GET", "/v2/health/live", {}, b"", {404}),
    "ping": ("GET", "/ping", {}, b"", {200}),
    "api-description": ("GET", "/api-description", {}, b"", {200}),
    "models": ("GET", "/models", {}, b"", {404}),
    "model": ("GET", f"/models/{QUICK}?customized=true", {}, b"", {404}),
    "unload": ("DELETE", f"/models/{QUICK}", {}, b"", {404}),
    "metrics": ("GET", "/metrics", {}, b"", {404}),
    "token": ("GET", "/token?type=management", {}, b"", {404}),
    "workflow": ("POST", "/wfpredict/x", FORM, GOOD, {404}),
    "no model": ("POST", "/predictions/nothing", FORM, GOOD, {404}),
    "no version": ("POST", f"{PREDICT}/9.9", FORM, GOOD, {404}),
    "no method": ("POST", f"{EXPLAIN}/1.0/a/b", FORM, GOOD, {422}),
    "up": ("GET", "/predictions/../models", {}, b"", {404}),
    "long path": ("GET", "/" + "a" * 9000, {}, b"", {400, 404, 414}),
    "expect": ("POST", PREDICT, FORM | {"Expect": "100-continue"}, GOOD, {200}),
    "gzip": ("POST", PREDICT, FORM | {"Content-Encoding": "gzip"}, gzip.compress(GOOD), {415}),
    "gzip, raw": ("POST", PREDICT, {"Content-Encoding": "gzip"}, gzip.compress(CLIP), {415}),
    "odd content types": ("POST", PREDICT, {"Content-Type": "a" * 3000}, CLIP, {200}),
    "long header": ("POST", PREDICT, FORM | {"X-VideoVisual-Seed": "1" * 10**6}, GOOD, {400}),
    "many headers": ("POST", PREDICT, FORM | {f"X-{n}": "y" for n in range(90)}, GOOD, {200}),
    "many parts": (
        *("POST", PREDICT, FORM),
        *(b"".join(part(f"x{number}", b"x") for number in range(5000)) + END, {400}),
    ),
    "somebody's job": ("POST", PREDICT, JSON, b'{"cancel": "x"}', {200}),
    "jobs of another kind": ("POST", PREDICT, JSON, b'{"cancel": ["x", null]}', {200, 400}),
    **{
        f"{method} {path}": (method, path, {}, b"", {200, 400, 405})
        for method in METHODS
        for path in (PREDICT, "/")
    },
}


@pytest.fixture(scope="module")
def other(api: Api) -> Iterator[None]:
    """Another client's explanation; it must not have ended before all doors were tried."""
    last: list[str] = []
    jobs: list[str] = []

    def ask() -> None:
        for event in api.events(files={"video": CLIP}, data=LONG):
            jobs.append(event.get("job", ""))
            last[:] = [event["event"]]

    thread = threading.Thread(target=ask)
    before = api.workers()
    thread.start()
    assert eventually(lambda: bool(last))
    yield
    assert last == ["progress"]
    assert api.workers() == before
    assert api.cancel(jobs[0])
    thread.join(60)
    assert last == ["done"]


def knock(
    address: str, method: str, path: str, headers: dict[str, str], body: bytes
) -> tuple[int, bytes]:
    """Status and body of an answer, which comes promptly."""
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PROMPT_S)
    try:
        connection.request(method, path, body or None, headers)
        response = connection.getresponse()
        return response.status, response.read()
    except ConnectionError:
        # TorchServe refuses headers that are too long while they are still being sent.
        return 400, b"closed"
    finally:
        connection.close()


def describing() -> list[Any]:
    return [pytest.param(DOORS[name], id=name) for name in DOORS if "escribe" in name]


@pytest.mark.parametrize("door", describing())
def test_a_client_that_is_alone_describes_nothing(api: Api, door: tuple[Any, ...]) -> None:
    """TorchServe's own request to describe is alone in its round. So this comes before `other`."""
    method, path, headers, body, allowed = door
    status, answer = knock(api.server.url, method, path, api.headers | headers, body)
    assert status in allowed, answer[:300]


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())
def test_a_door_answers_promptly(api: Api, door: tuple[Any, ...]) -> None:
    method, path, headers, body, allowed = door
    status, answer = knock(api.server.url, method, path, api.headers | headers, body)
    assert status in allowed, answer[:300]


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("method", METHODS)
def test_the_management_port_needs_its_own_key(api: Api, method: str) -> None:
    for path in ("/models", f"/models/{QUICK}", f"/models/{QUICK}?customized=true", "/token"):
        for headers in ({}, api.headers):
            status, _ = knock(api.server.management_url, method, path, headers, b"")
            assert status in {400, 404, 405}, (path, headers)


@pytest.mark.usefixtures("other")
def test_the_metrics_port_has_metrics_only(api: Api) -> None:
    for method in METHODS:
        for path in ("/", "/models", PREDICT):
            status, _ = knock(api.server.metrics_url, method, path, {}, b"")
            assert status in {404, 405} or (method, path) == ("OPTIONS", "/")


@pytest.mark.parametrize("spelling", ["explain", "Explain", "EXPLAIN"])
def test_only_the_path_says_whether_to_explain(api: Api, spelling: str) -> None:
    for path, wanted, claim in ((PREDICT, 0, "True"), (EXPLAIN, 1, "False")):
        headers = api.headers | FORM | {spelling: claim}
        status, body = knock(api.server.url, "POST", path, headers, GOOD)
        assert status == 200
        assert len(json.loads(body)["explanations"]) == wanted, path


def test_json_of_millions_of_values_takes_no_memory(api: Api) -> None:
    (pid,) = api.workers()
    process = Path("/proc", str(pid))
    if not (process / "clear_refs").is_file():
        pytest.skip("needs /proc")
    body = b'{"video": [' + b"[]," * 7_000_000 + b"1]}"
    response = api.predict(content=body, headers=JSON)
    (process / "clear_refs").write_text("5")
    before = psutil.Process(pid).memory_info().rss
    assert api.predict(content=body, headers=JSON).status_code == response.status_code == 400
    peak = re.search(r"VmHWM:\s+(\d+)", (process / "status").read_text())
    assert peak is not None
    # As lists they would take 20 times as much as the body.
    assert int(peak[1]) * 1024 - before < 6 * len(body)


MESSAGE_NAME, MESSAGE_INPUT = 1, 3
SERVICES = "/org.pytorch.serve.grpc"
INFERENCE = f"{SERVICES}.inference.InferenceAPIsService"
MANAGEMENT = f"{SERVICES}.management.ManagementAPIsService"


def field(number: int, value: bytes) -> bytes:
    """A field of a protobuf message."""
    size, left = b"", len(value)
    while left > 127:
        size, left = size + bytes([left & 127 | 128]), left >> 7
    return bytes([number << 3 | 2]) + size + bytes([left]) + value


NAMED = field(MESSAGE_NAME, QUICK.encode())
PREDICTION = NAMED + field(MESSAGE_INPUT, field(1, b"video") + field(2, CLIP))


def call(api: Api, name: str, message: bytes, key: str | None) -> tuple[str, bytes]:
    """A gRPC call's status and its last answer."""
    grpc = pytest.importorskip("grpc")
    settings = read_properties(api.server.folder / "config.properties")
    kind = "management" if name.startswith(MANAGEMENT) else "inference"
    metadata = [("protocol", "gRPC"), *([("authorization", f"Bearer {key}")] if key else [])]
    with grpc.insecure_channel(f"127.0.0.1:{settings[f'grpc_{kind}_port']}") as channel:
        ask = channel.stream_stream(name, lambda each: each, lambda each: each)
        try:
            answers = list(ask(iter([message]), timeout=PROMPT_S, metadata=metadata))
        except grpc.RpcError as error:
            return error.code().name, b""
    return "OK", answers[-1]


@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("name", ["Predictions", "StreamPredictions", "StreamPredictions2"])
def test_grpc_is_refused_and_nobody_else_is_touched(api: Api, name: str) -> None:
    key = api.server.keys().inference
    for message in (PREDICTION, NAMED):
        status, answer = call(api, f"{INFERENCE}/{name}", message, key)
        assert status == "OK"
        assert b"gRPC is not served" in answer or b"sequenceId is required" in answer
    for wrong in (None, "wrong"):
        status, _ = call(api, f"{INFERENCE}/{name}", PREDICTION, wrong)
        assert status == "PERMISSION_DENIED"
    assert call(api, f"{INFERENCE}/{name}", b"\xff\xff", key)[0] != "DEADLINE_EXCEEDED"


@pytest.mark.parametrize(
    "name",
    [
        "DescribeModel",
        "ListModels",
        "RegisterModel",
        "ScaleWorker",
        "SetDefault",
        "UnregisterModel",
    ],
)
def test_grpc_management_needs_its_own_key(api: Api, name: str) -> None:
    for key in (None, api.server.keys().inference):
        assert call(api, f"{MANAGEMENT}/{name}", NAMED, key)[0] == "PERMISSION_DENIED"
