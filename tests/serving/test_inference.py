"""The open inference protocol over plain HTTP; `test_strangers.py` has others' clients."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import numpy as np
import pytest
from benchmarks.load.uvicorn import Uvicorn
from tests.serving import clips
from tests.serving.api import Api
from tests.serving.conftest import ANOTHER, BOTH, QUICK

from videovisual.server.settings import Settings
from videovisual.version import __version__
from videovisual.zoo import Classifier

FILE = clips.npz(clips.frames(16))
ENCODED = base64.b64encode(FILE).decode()
VIDEO = {"name": "video", "shape": [1], "datatype": "BYTES", "data": [ENCODED]}
JSON = {"Content-Type": "application/json"}
GRADIENT = {"method": "gradient"}
MODEL = f"/v2/models/{QUICK}"
READY = {"name": QUICK, "ready": True}


@pytest.fixture(scope="module")
def at(uvicorn: Uvicorn) -> Api:
    return Api(uvicorn, QUICK)


TOLD = {
    "/": (False, {"status": "alive"}),
    "/v1/models": (True, {"models": [QUICK, ANOTHER]}),
    f"/v1/models/{QUICK}": (True, READY),
    "/v2": (
        True,
        {
            "name": "videovisual",
            "version": __version__,
            "extensions": ["binary_tensor_data", "parameters"],
        },
    ),
    "/v2/health/live": (False, {"live": True, "ready": True}),
    "/v2/health/ready": (False, {"live": True, "ready": True}),
    f"{MODEL}/ready": (True, READY),
    f"{MODEL}/versions/1.0/ready": (True, READY),
}


@pytest.mark.parametrize("path", TOLD)
def test_what_is_told_of_the_server(at: Api, path: str) -> None:
    needs_key, expected = TOLD[path]
    without = httpx.get(at.server.url + path)
    assert without.status_code == (401 if needs_key else 200)
    answer = httpx.get(at.server.url + path, headers=at.headers)
    assert (answer.status_code, answer.json()) == (200, expected)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("path", [MODEL, f"{MODEL}/versions/1.0"])
def test_metadata(at: Api, path: str) -> None:
    told = httpx.get(at.server.url + path, headers=at.headers).json()
    assert (told["name"], told["versions"]) == (QUICK, ["1.0"])
    assert told["inputs"] == [
        {"name": "video", "datatype": "BYTES", "shape": [1]},
        {"name": "clip", "datatype": "UINT8", "shape": [-1, -1, -1, 3]},
    ]
    classes = len(at.predict(content=FILE, params={"top_k": 1000}).json()["predictions"])
    assert [(each["name"], each["datatype"], each["shape"]) for each in told["outputs"]] == [
        ("logits", "FP32", [classes]),
        ("scores", "FP32", [classes]),
        ("labels", "BYTES", [classes]),
        ("saliency", "FP32", [-1, 64, 64]),
        ("answer", "BYTES", [1]),
    ]


REFUSED = {
    "no model": ("GET", "/v2/models/nothing", 404, "unknown_model"),
    "no model is ready": ("GET", "/v2/models/nothing/ready", 404, "unknown_model"),
    "no version": ("GET", f"{MODEL}/versions/9", 404, "unknown_model"),
    "no version infers": ("POST", f"{MODEL}/versions/9/infer", 404, "unknown_model"),
    "no route": ("GET", f"{MODEL}/config", 404, "no_route"),
    "no method": ("GET", f"{MODEL}/infer", 405, "no_route"),
    "no body": ("POST", f"{MODEL}/infer", 400, "invalid_request"),
}


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED.keys())
def test_errors_of_version_2_are_texts(at: Api, asked: tuple[str, str, int, str]) -> None:
    method, path, status, code = asked
    answer = httpx.request(method, at.server.url + path, headers=at.headers)
    told = answer.json()
    assert (answer.status_code, told["code"]) == (status, code)
    assert isinstance(told["error"], str)
    without = httpx.request(method, at.server.url + path)
    assert without.status_code == 401
    assert isinstance(without.json()["error"], str)


def infer(api: Api, *after: bytes, headers: dict[str, str] | None = None, **body: Any) -> Any:
    """An answer; with binary values after the JSON if there are any."""
    text = json.dumps({"inputs": [VIDEO], **body}).encode()
    given = {"Inference-Header-Content-Length": str(len(text))} if after else JSON
    content = b"".join((text, *after))
    path = f"/v2/models/{api.model}/infer"
    return api.post(path, content=content, headers=given | (headers or {}))


def outputs(response: Any) -> dict[str, Any]:
    """The outputs by name; of binary ones their bytes."""
    assert response.status_code == 200, response.text
    length = int(response.headers.get("inference-header-content-length", len(response.content)))
    found = {}
    for each in json.loads(response.content[:length])["outputs"]:
        size = each.get("parameters", {}).get("binary_data_size")
        found[each["name"]] = (
            each["data"] if size is None else response.content[length : length + size]
        )
        length += size or 0
    assert length == len(response.content)
    return found


@BOTH
def test_json_in_and_out(api: Api) -> None:
    response = infer(api, id="7", parameters=GRADIENT)
    assert response.headers["content-type"] == "application/json"
    told, found = response.json(), outputs(response)
    assert (told["id"], told["model_name"]) == ("7", QUICK)
    (best,) = api.predict(files={"video": FILE}, data={"top_k": "1"}).json()["predictions"]
    assert found["labels"][int(np.argmax(found["logits"]))] == best["label"]
    assert max(found["scores"]) == pytest.approx(best["probability"], rel=1e-6)
    assert len(found["saliency"]) == np.prod(told["outputs"][-1]["shape"])


@BOTH
def test_binary_in_and_out(api: Api) -> None:
    frames = clips.frames(16)
    size = {"binary_data_size": frames.nbytes}
    clip = {"name": "clip", "shape": list(frames.shape), "datatype": "UINT8", "parameters": size}
    parameters = GRADIENT | {"binary_data_output": True}
    response = infer(api, frames.tobytes(), inputs=[clip], parameters=parameters)
    assert response.headers["content-type"] == "application/octet-stream"
    found = outputs(response)
    expected = outputs(infer(api, parameters=GRADIENT))
    for name in ("logits", "saliency"):
        values = np.frombuffer(found[name], "<f4")
        np.testing.assert_array_equal(values, np.array(expected[name], np.float32))


@BOTH
def test_a_wrong_tensor_is_refused_in_the_protocols_words(api: Api) -> None:
    for after, headers in (((), {}), ((b"x",), {"Inference-Header-Content-Length": "999999"})):
        clip = {"name": "clip", "shape": [2**31 - 1] * 3 + [3], "datatype": "UINT8", "data": [1]}
        response = infer(api, *after, inputs=[clip], headers=headers)
        told = response.json()
        assert (response.status_code, told["code"]) == (400, "invalid_request")
        assert isinstance(told["error"], str)


def test_a_body_of_many_values_is_refused(at: Api) -> None:
    clip = {"name": "clip", "shape": [1500, 50, 50, 3], "datatype": "UINT8", "data": []}
    text = json.dumps({"inputs": [clip]}).replace("[]", f"[{'0,' * (1500 * 7500)}0]")
    response = at.post(f"{MODEL}/infer", content=text, headers=JSON)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")


@BOTH
def test_version_1_explains_beside_its_predictions(api: Api) -> None:
    for name in ("instances", "inputs"):
        body = {name: [{"b64": ENCODED}], "parameters": GRADIENT}
        response = api.post(f"/v1/models/{QUICK}:explain", json=body)
        assert response.status_code == 200, response.text
        (answer,), ((explanation,),) = (
            response.json()["predictions"],
            response.json()["explanations"],
        )
        assert answer["explanations"] == []
        assert explanation["target"]["label"] == answer["predictions"][0]["label"]
        (answer,) = api.post(f"/v1/models/{QUICK}:predict", json=body).json()["predictions"]
        assert answer["explanations"] == [explanation]


def built(classifier: Classifier, settings: Settings) -> Any:
    app = pytest.importorskip("videovisual.server.asgi.app", reason="needs the extra `asgi`")
    return app.build([classifier], settings, None)


def inside(app: Any) -> httpx.AsyncClient:
    """A client of an application that no server runs."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app")


def test_an_application_that_has_not_started_is_not_ready(small: Classifier) -> None:
    app, model = built(small, Settings()), f"models/{small.card.name}"
    paths = (f"/v1/{model}", "/v2/health/ready", f"/v2/{model}/ready", "/v2/health/live")

    async def statuses() -> list[list[int]]:
        async with inside(app) as client:

            async def ask() -> list[int]:
                return [(await client.get(path)).status_code for path in paths]

            before = await ask()
            async with app.router.lifespan_context(app):
                during = await ask()
            return [before, during, await ask()]

    started, stopped = [200] * 4, [503, 503, 503, 200]
    assert asyncio.run(statuses()) == [stopped, started, stopped]


def test_the_memory_of_many_values_is_counted_before_they_are_read(small: Classifier) -> None:
    app = built(small, Settings(max_bytes=10_000_000))
    clip = {"name": "clip", "shape": [2, 3, 4, 3], "datatype": "UINT8", "data": [0] * 200_000}

    async def ask() -> httpx.Response:
        async with app.router.lifespan_context(app), inside(app) as client:
            path = f"/v2/models/{small.card.name}/infer"
            return await client.post(path, content=json.dumps({"inputs": [clip]}))

    response = asyncio.run(ask())
    assert (response.status_code, response.json()["code"]) == (503, "overloaded")
