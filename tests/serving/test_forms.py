"""Every way a clip can arrive, and every answer that can go back."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image
from tests.serving import clips
from tests.serving.api import Api
from tests.serving.conftest import BOTH

from videovisual.attribution import catalogue
from videovisual.saliency import Saliency

GRADIENT = {"method": "gradient", "frames": "16"}
CLIP = clips.npz(clips.frames(16))


def labels(response: Any) -> list[str]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return [prediction["label"] for prediction in response.json()["predictions"]]


@pytest.fixture(scope="module")
def expected(api: Api) -> list[str]:
    """What the model says of the frames, sent as an npz."""
    return labels(api.predict(files={"video": clips.npz(clips.frames(16))}))


def test_the_answer_lists_the_best_classes(real_api: Api, video: Path) -> None:
    answer = real_api.predict(
        files={"video": video.read_bytes()}, data={"top_k": "3", "frames": "16"}
    ).json()
    probabilities = [prediction["probability"] for prediction in answer["predictions"]]
    assert len(probabilities) == 3
    assert probabilities == sorted(probabilities, reverse=True)
    assert answer["explanations"] == []
    assert len(answer["clip"]["frame_indices"]) == 16


@BOTH
def test_zip_of_frames(api: Api, expected: list[str]) -> None:
    assert labels(api.predict(files={"video": clips.zipped()})) == expected


@BOTH
def test_parts(api: Api, expected: list[str]) -> None:
    parts = {
        f"frame_{index:03d}": (f"{index}.png", clips.png(picture))
        for index, picture in enumerate(clips.frames(16))
    }
    assert labels(api.predict(files=parts)) == expected


@BOTH
def test_raw_body_with_options_in_headers(api: Api, expected: list[str]) -> None:
    headers = {"X-VideoVisual-Top-K": "2"}
    response = api.predict(content=clips.npz(clips.frames(16)), headers=headers)
    assert labels(response) == expected[:2]


@BOTH
def test_base64_in_json(api: Api, expected: list[str]) -> None:
    body = {"video": base64.b64encode(clips.npz(clips.frames(16))).decode(), "top_k": 2}
    assert labels(api.predict(json=body)) == expected[:2]


@BOTH
def test_kserve_parameters(api: Api) -> None:
    encoded = base64.encodebytes(CLIP).decode()
    body = {"instances": [{"b64": encoded}], "parameters": {"top_k": 2, "method": None}}
    response = api.post(f"/v1/models/{api.model}:predict", json=body)
    assert response.status_code == 200, response.text
    (answer,) = response.json()["predictions"]
    assert len(answer["predictions"]) == 2


@pytest.mark.parametrize("verb", ["predict", "explain"])
def test_kserve_v1(api: Api, expected: list[str], verb: str) -> None:
    encoded = base64.b64encode(clips.npz(clips.frames(16))).decode()
    body = {"instances": [{"video": {"b64": encoded}}], "method": "gradient"}
    response = api.post(f"/v1/models/{api.model}:{verb}", json=body)
    assert response.status_code == 200, response.text
    (answer,) = response.json()["predictions"]
    assert [prediction["label"] for prediction in answer["predictions"]] == expected
    (explanations,) = response.json().get("explanations", [answer["explanations"]])
    assert explanations[0]["method"] == "gradient"


def test_explanations_use_the_default_method(real_api: Api, video: Path) -> None:
    answer = real_api.explain(files={"video": video.read_bytes()}).json()
    (explanation,) = answer["explanations"]
    assert explanation["method"] == catalogue.DEFAULT
    assert explanation["map"]["shape"] == [48, 224, 224]
    assert explanation["target"]["label"] == answer["predictions"][0]["label"]
    assert sum(explanation["curve"]) == pytest.approx(1, abs=1e-4)


def test_the_path_can_name_the_method(api: Api, video: Path) -> None:
    response = api.post(
        f"/explanations/{api.model}/1.0/gradient", files={"video": video.read_bytes()}
    )
    assert response.json()["explanations"][0]["method"] == "gradient"


def test_predictions_explain_when_a_method_is_given(api: Api, video: Path) -> None:
    fields = {"method": "grad*input", "target": "grows"}
    answer = api.predict(files={"video": video.read_bytes()}, data=fields).json()
    (explanation,) = answer["explanations"]
    assert explanation["method"] == "gradient_x_input"
    assert explanation["target"]["label"] == "grows"
    assert explanation["signed"]


def test_several_targets(api: Api, video: Path) -> None:
    fields = {"method": "grad_cam", "target": json.dumps(["grows", "7", "top1"])}
    answer = api.predict(files={"video": video.read_bytes()}, data=fields).json()
    named = [explanation["target"] for explanation in answer["explanations"]]
    assert named[0]["label"] == "grows"
    assert named[1]["index"] == 7
    assert named[2]["index"] == answer["predictions"][0]["index"]


@BOTH
def test_parts_of_one_name_are_a_list(api: Api) -> None:
    parts = [("video", CLIP), ("method", b"gradient"), ("target", b"1"), ("target", b"2")]
    answer = api.predict(files=[(name, (None, data)) for name, data in parts]).json()
    targets = [explanation["target"]["index"] for explanation in answer["explanations"]]
    assert targets == [1, 2]
    twice = [("video", CLIP), ("method", b"ig"), ("steps", b"1"), ("steps", b"2")]
    response = api.predict(files=[(name, (None, data)) for name, data in twice])
    assert response.status_code == 422
    assert response.json()["error"]["detail"]["parameter"] == "steps"


def test_npz(api: Api, video: Path) -> None:
    fields = GRADIENT | {"output": "npz"}
    response = api.predict(files={"video": video.read_bytes()}, data=fields)
    saliency = Saliency.from_npz(response.content)
    assert saliency.map.shape == (16, 64, 64)
    assert saliency.map.dtype == np.float32
    assert saliency.map.max() > 0
    with np.load(io.BytesIO(response.content)) as arrays:
        assert json.loads(str(arrays["answer"]))["model"] == api.model


def test_png(api: Api, video: Path) -> None:
    fields = GRADIENT | {"output": "png"}
    response = api.predict(files={"video": video.read_bytes()}, data=fields)
    assert response.headers["content-type"] == "image/png"
    assert Image.open(io.BytesIO(response.content)).width > 1000


def test_mp4(api: Api, video: Path) -> None:
    fields = GRADIENT | {"output": "mp4"}
    response = api.predict(files={"video": video.read_bytes()}, data=fields)
    assert response.headers["content-type"] == "video/mp4"
    with av.open(io.BytesIO(response.content)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        # Source and overlay side by side, neither smaller than it was.
        assert stream.width >= 2 * 128
        assert stream.height >= 96
        assert sum(1 for _ in container.decode(stream)) >= 16


def test_stream(api: Api, video: Path) -> None:
    fields = {"method": "ig", "steps": "2", "stream": "true"}
    response = api.explain(files={"video": video.read_bytes()}, data=fields)
    assert response.headers["content-type"] == "application/x-ndjson"
    events = [json.loads(line) for line in response.text.splitlines()]
    names = [event["event"] for event in events]
    assert names[0] == "accepted"
    assert names[-2:] == ["result", "done"]
    assert {"progress"} == set(names[1:-2])
    assert events[-2]["answer"]["explanations"][0]["method"] == "integrated_gradients"


def test_the_same_request_twice_gives_the_same_bytes(api: Api, video: Path) -> None:
    for output in ("json", "npz", "png", "mp4"):
        fields = GRADIENT | {"output": output}
        first, second = (
            api.predict(files={"video": video.read_bytes()}, data=fields).content for _ in range(2)
        )
        assert first == second, output


def test_provenance(api: Api, video: Path) -> None:
    fields = {"method": "ig", "steps": "1", "seed": "5", "target": "3", "frames": "16"}
    answer = api.explain(files={"video": video.read_bytes()}, data=fields).json()
    provenance = answer["explanations"][0]["provenance"]
    assert provenance["parameters"] == {
        "steps": 1,
        "rule": "midpoint",
        "baseline": "black",
        "tolerance": None,
        "complete": True,
        "noise_baselines": 4,
    }
    assert provenance["seed"] == 5
    assert provenance["target"]["index"] == 3
    assert provenance["model"] == api.model
    assert len(provenance["weights_sha256"]) == 64
    assert len(provenance["frame_indices"]) == len(provenance["timestamps"]) == 16
    assert provenance["crop"]["source_height"] == 96
    assert provenance["device"] == "cpu"
    assert provenance["precision"] == "float32"
