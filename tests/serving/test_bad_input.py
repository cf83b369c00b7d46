"""Whatever arrives, the answer is a fitting status in one JSON shape, and the worker lives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from tests.serving import clips
from tests.serving.api import TIMEOUT_S, Api
from tests.serving.conftest import BOTH


@pytest.fixture(autouse=True)
def _same_worker_afterwards(api: Api) -> Iterator[None]:
    before = api.workers()
    yield
    assert api.workers() == before
    response = api.predict(files={"video": clips.npz(clips.frames(16))})
    assert response.status_code == 200


def video(data: bytes) -> dict[str, Any]:
    return {"files": {"video": ("clip", data)}}


GOOD = clips.npz(clips.frames(16))
MP4 = clips.bikes_like_mp4()
JSON = {"Content-Type": "application/json"}

CASES = {
    "truncated file": (video(MP4[: len(MP4) // 2]), 400, "malformed_clip"),
    "empty body": ({"content": b""}, 400, "invalid_request"),
    "empty part": (video(b""), 400, "invalid_request"),
    "no clip": ({"data": {"method": "gradient"}}, 400, "invalid_request"),
    "text as video": (video(b"this is no video at all\n" * 50), 415, "unsupported_media"),
    "zip bomb": (video(clips.bomb()), 413, "too_large"),
    "zip with ../ names": (
        video(clips.zipped([f"../{index}.png" for index in range(16)])),
        400,
        "malformed_clip",
    ),
    "npz with an object array": (
        video(clips.npz(np.array([{"a": 1}, None], dtype=object))),
        400,
        "malformed_clip",
    ),
    "npz with NaN": (
        video(clips.npz(np.full((16, 8, 8, 3), np.nan, dtype=np.float32))),
        400,
        "malformed_clip",
    ),
    "one frame": (video(clips.npz(clips.frames(1))), 422, "clip_too_short"),
    "broken JSON": ({"content": b'{"video": ', "headers": JSON}, 400, "invalid_request"),
    "deeply nested JSON": (
        {"content": b'{"video": ' + b"[" * 100_000, "headers": JSON},
        400,
        "invalid_request",
    ),
    "no base64": ({"json": {"video": "***"}}, 400, "invalid_request"),
    "two videos": (
        {"files": {"video": ("a", GOOD), "frame_000": ("b", clips.png(clips.frames(1)[0]))}},
        400,
        "invalid_request",
    ),
    "two videos of one name": (
        {"files": [("video", ("a", GOOD)), ("video", ("b", GOOD))]},
        400,
        "invalid_request",
    ),
    "a gap in the parts": (
        {"files": {f"frame_{n:03d}": clips.png(clips.frames(1)[0]) for n in (0, 1, 3)}},
        400,
        "invalid_request",
    ),
    "unknown method": (video(GOOD) | {"data": {"method": "magic"}}, 422, "unknown_method"),
    "unknown target": (
        video(GOOD) | {"data": {"method": "gradient", "target": "flying pigs"}},
        422,
        "invalid_target",
    ),
    "target out of range": (
        video(GOOD) | {"data": {"method": "gradient", "target": "400"}},
        422,
        "invalid_target",
    ),
    "target of thousands of digits": (
        video(GOOD) | {"data": {"method": "gradient", "target": "9" * 5000}},
        422,
        "invalid_target",
    ),
    "parameter out of range": (
        video(GOOD) | {"data": {"method": "ig", "steps": "0"}},
        422,
        "invalid_parameter",
    ),
    "parameter of another method": (
        video(GOOD) | {"data": {"method": "gradient", "area": "7"}},
        422,
        "invalid_parameter",
    ),
    "unknown layer": (
        video(GOOD) | {"data": {"method": "grad_cam", "layer": "mixed_9z"}},
        422,
        "invalid_parameter",
    ),
    "unknown output": (
        video(GOOD) | {"data": {"method": "gradient", "output": "pdf"}},
        422,
        "unknown_output",
    ),
    "output without a method": (
        video(GOOD) | {"data": {"output": "png"}},
        422,
        "invalid_parameter",
    ),
    "frames that don't fit": (video(GOOD) | {"data": {"frames": "17"}}, 422, "invalid_parameter"),
    "times of an untimed clip": (
        video(GOOD) | {"data": {"start_s": "1"}},
        422,
        "invalid_parameter",
    ),
    "the end before the start": (
        video(MP4) | {"data": {"start_s": "0.5", "end_s": "0.1"}},
        422,
        "invalid_parameter",
    ),
    "no number": (video(GOOD) | {"data": {"top_k": "many"}}, 422, "invalid_parameter"),
}


@BOTH
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_status_and_shape(api: Api, case: tuple[dict[str, Any], int, str]) -> None:
    body, status, code = case
    response = api.predict(**body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code), response.text
    assert set(response.json()) == {"error"}
    assert set(response.json()["error"]) == {"code", "message", "detail"}
    assert response.headers["content-type"] == "application/json"


@BOTH
def test_the_message_says_what_is_allowed(api: Api) -> None:
    body = api.predict(**video(GOOD), data={"method": "ig", "steps": "5000"}).json()
    assert "steps = '5000' is not allowed" in body["error"]["message"]
    assert body["error"]["detail"]["allowed"] == {"maximum": 1000, "minimum": 1, "type": "integer"}


def test_the_message_names_near_classes(api: Api) -> None:
    body = api.predict(**video(GOOD), data={"method": "ig", "target": "moves lef"}).json()
    assert body["error"]["detail"]["nearest"][0] == "moves left"


def test_a_wrong_token(api: Api) -> None:
    response = httpx.post(
        f"{api.server.url}/predictions/{api.model}",
        headers={"Authorization": "Bearer wrong"},
        files={"video": GOOD},
        timeout=TIMEOUT_S,
    )
    assert response.status_code == 400
    assert response.json()["type"] == "InvalidKeyException"


@BOTH
def test_the_deadline(api: Api) -> None:
    fields = {"method": "ig", "steps": "200", "timeout_s": "1"}
    response = api.predict(**video(GOOD), data=fields)
    assert response.status_code == 504, response.text
    assert response.json()["error"]["code"] == "deadline_exceeded"


@BOTH
def test_a_client_that_leaves(api: Api) -> None:
    with pytest.raises(httpx.TimeoutException):
        httpx.post(
            f"{api.server.url}/predictions/{api.model}",
            headers=api.headers,
            files={"video": GOOD},
            data={"method": "ig", "steps": "1000"},
            timeout=0.5,
        )
