from __future__ import annotations

import base64
from typing import Any

import pytest

from videovisual.errors import InvalidRequest
from videovisual.server.request import Request, read

VIDEO = b"\x00\x01 a video"
ENCODED = base64.b64encode(VIDEO).decode()


@pytest.mark.parametrize("name", ["video", "data", "body"])
def test_a_clip_by_any_of_its_names(name: str) -> None:
    intake = read(Request({name: bytearray(VIDEO), "method": bytearray(b"ig")}))
    assert (intake.video, intake.options) == (VIDEO, {"method": "ig"})


def test_headers_give_options_and_the_path_gives_the_method() -> None:
    headers = {"x-videovisual-top-k": "3", "x-videovisual-method": "ig", "accept": "*/*"}
    intake = read(Request({"body": VIDEO}, headers, method="grad_cam"))
    assert intake.options == {"top_k": "3", "method": "grad_cam"}


def test_frames() -> None:
    intake = read(Request({"frame_000": b"a", "frame_001": b"b", "seed": b"1"}))
    assert intake.video is None
    assert intake.frames == {"frame_000": b"a", "frame_001": b"b"}
    assert intake.options == {"seed": "1"}


@pytest.mark.parametrize(
    "body",
    [
        {"video": ENCODED, "steps": 3},
        {"video": {"b64": ENCODED}, "steps": 3},
        {"instances": [{"video": ENCODED, "steps": 3}]},
        {"instances": [{"video": {"b64": ENCODED}}], "steps": 3},
    ],
)
def test_json(body: dict[str, Any]) -> None:
    intake = read(Request({"body": body}))
    assert (intake.video, intake.options) == (VIDEO, {"steps": 3})
    assert intake.kserve == ("instances" in body)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (Request({"video": VIDEO}), False),
        (Request({"video": VIDEO}, explain=True), True),
        (Request({"video": VIDEO}, method="ig"), True),
        (Request({"video": VIDEO, "method": b"ig"}), True),
        (Request({"body": VIDEO}, {"x-videovisual-method": "ig"}), True),
        (Request({"body": {"video": ENCODED}}), False),
        (Request({"body": {"video": ENCODED, "method": "ig"}}), True),
        (Request({"body": {"instances": [{"video": ENCODED, "method": "ig"}]}}), True),
        (Request({"body": {"instances": [ENCODED], "method": "ig"}}), True),
        (Request({"body": {"instances": [ENCODED]}}), False),
        (Request({"body": {"instances": "x"}}), False),
    ],
)
def test_whether_an_explanation_is_asked_for(request_: Request, expected: bool) -> None:
    assert request_.explains() is expected


@pytest.mark.parametrize(
    ("parts", "headers", "message"),
    [
        ({}, {}, "no clip"),
        ({"body": b""}, {}, "empty"),
        ({"video": VIDEO, "data": VIDEO}, {}, "2 clips"),
        ({"video": VIDEO, "frame_000": b"a"}, {}, "2 clips"),
        ({"video": VIDEO, "method": b"\xff\xfe"}, {}, "not UTF-8"),
        ({"body": b"{"}, {"content-type": "application/json"}, "not valid JSON"),
        ({"body": {"video": "***"}}, {}, "not base64"),
        ({"body": {"video": 7}}, {}, "not base64"),
        ({"body": {"video": "é"}}, {}, "not base64"),
        ({"body": None}, {"content-type": "application/json"}, "not an object"),
        ({"body": [1]}, {"content-type": "application/json"}, "not an object"),
        ({"body": {"instances": []}}, {}, "exactly one"),
        ({"body": {"instances": [{}, {}]}}, {}, "exactly one"),
        ({"body": {"instances": "x"}}, {}, "exactly one"),
        (
            {"video": VIDEO},
            {"content-type": "multipart/form-data; boundary=x", "content-length": "9000"},
            "same name",
        ),
    ],
)
def test_what_cannot_be_read(parts: Any, headers: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read(Request(parts, headers))
