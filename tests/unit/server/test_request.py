from __future__ import annotations

import base64
from typing import Any

import pytest

from videovisual.errors import InvalidRequest
from videovisual.server.request import ParsedRequest, Request, parse


def read(request: Request) -> ParsedRequest:
    return parse(request).decoded()


VIDEO = b"\x00\x01 a video"
ENCODED = base64.b64encode(VIDEO).decode()


@pytest.mark.parametrize("name", ["video", "data", "body"])
def test_a_clip_by_any_of_its_names(name: str) -> None:
    parsed = read(Request({name: bytearray(VIDEO), "method": bytearray(b"ig")}))
    assert (parsed.video, parsed.options) == (VIDEO, {"method": "ig"})


def test_headers_give_options_and_the_path_gives_the_method() -> None:
    headers = {"x-videovisual-top-k": "3", "x-videovisual-method": "ig", "accept": "*/*"}
    parsed = read(Request({"body": VIDEO}, headers, method="grad_cam"))
    assert parsed.options == {"top_k": "3", "method": "grad_cam"}


def test_frames() -> None:
    parsed = read(Request({"frame_000": b"a", "frame_001": b"b", "seed": b"1"}))
    assert parsed.video is None
    assert parsed.frames == {"frame_000": b"a", "frame_001": b"b"}
    assert parsed.options == {"seed": "1"}


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
    parsed = read(Request({"body": body}))
    assert (parsed.video, parsed.options) == (VIDEO, {"steps": 3})
    assert parsed.kserve == ("instances" in body)


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
    ],
)
def test_whether_an_explanation_is_asked_for(request_: Request, expected: bool) -> None:
    assert parse(request_).explain is expected


@pytest.mark.parametrize(
    ("body", "held"),
    [
        (VIDEO, len(VIDEO)),
        ({"video": ENCODED}, len(ENCODED) + 3 * len(ENCODED) // 4),
        ({"video": {"b64": ENCODED}}, len(ENCODED) + 3 * len(ENCODED) // 4),
        ({"instances": [{"video": {"b64": ENCODED}}]}, len(ENCODED) + 3 * len(ENCODED) // 4),
        ({"instances": [ENCODED], "target": "12345"}, len(ENCODED) + 3 * len(ENCODED) // 4 + 5),
    ],
)
def test_a_request_counts_all_that_it_holds(body: Any, held: int) -> None:
    assert parse(Request({"body": body})).size == held


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
