from __future__ import annotations

import base64
from typing import Any

import pytest

from videovisual.errors import InvalidRequest, UnsupportedMedia
from videovisual.server.decoding import BASE64_COPIES, MAX_JSON_VALUES
from videovisual.server.request import ParsedRequest, Repeated, Request, parse


def read(request: Request) -> ParsedRequest:
    return parse(request).decoded()


VIDEO = b"\x00\xfb\xef\xbe\xff\xff a video"
ENCODED = base64.b64encode(VIDEO).decode()
HELD = (1 + BASE64_COPIES) * len(ENCODED)


@pytest.mark.parametrize("name", ["video", "data", "body"])
def test_a_clip_by_any_of_its_names(name: str) -> None:
    parsed = read(Request({name: bytearray(VIDEO), "method": bytearray(b"ig")}))
    assert (parsed.video, parsed.options) == (VIDEO, {"method": "ig"})


def test_options_of_the_address_come_between_headers_and_the_body() -> None:
    headers = {"x-videovisual-top-k": "3", "x-videovisual-seed": "3"}
    query = {"top_k": "4", "target": Repeated(["a", "b"]), "steps": "4"}
    parts = {"video": VIDEO, "steps": b"5"}
    parsed = read(Request(parts, headers, query=query))
    expected = {"seed": "3", "top_k": "4", "target": ["a", "b"], "steps": "5"}
    assert parsed.options == expected


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
        {"instances": [{"b64": ENCODED}], "parameters": {"steps": 3}},
        {"instances": [{"b64": ENCODED, "steps": 3}], "parameters": None},
        {"inputs": [{"b64": ENCODED, "steps": 3}]},
        {"inputs": [ENCODED], "parameters": {"steps": 3}},
        {"instances": [{"b64": ENCODED}], "steps": 3, "parameters": {"steps": 3}},
        {"video": ENCODED, "parameters": {"steps": 3}, "target": None},
        {"video": ENCODED, "steps": 3, "method": None, "data": None},
        {"video": base64.encodebytes(VIDEO).decode(), "steps": 3},
        {"video": f" {ENCODED[:5]}\r\n\t{ENCODED[5:]}\n", "steps": 3},
        {"video": f"data:video/mp4;base64,{ENCODED}", "steps": 3},
        {"video": {"b64": f"data:;base64,{ENCODED}"}, "steps": 3},
        {"video": base64.urlsafe_b64encode(VIDEO).decode().rstrip("="), "steps": 3},
    ],
)
def test_json(body: dict[str, Any]) -> None:
    parsed = read(Request({"body": body}))
    assert (parsed.video, parsed.options) == (VIDEO, {"steps": 3})
    assert (parsed.verb == "predict") == ("instances" in body or "inputs" in body)


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
        ({"video": ENCODED}, HELD),
        ({"video": {"b64": ENCODED}}, HELD),
        ({"frame_000": ENCODED, "frame_001": ENCODED}, 2 * HELD),
        ({"instances": [{"video": {"b64": ENCODED}}]}, HELD),
        ({"instances": [{"b64": ENCODED}]}, HELD),
        ({"instances": [ENCODED], "target": "12345"}, HELD + 5),
        ({"video": ENCODED, "parameters": {"target": ["12", ["345"], {"a": "6"}]}}, HELD + 6),
    ],
)
def test_a_request_counts_all_that_it_holds(body: Any, held: int) -> None:
    assert parse(Request({"body": body})).size == held


def test_a_tensor_counts_the_frames_that_it_holds() -> None:
    clip = {"name": "clip", "shape": [2, 3, 4, 3], "datatype": "UINT8", "data": [0] * 72}
    parsed = parse(Request({"body": {"inputs": [clip], "parameters": {"method": "rise"}}}))
    assert parsed.size == 72 + len("rise")


def test_an_option_whose_name_begins_as_a_frames_does() -> None:
    for parts in ({"video": VIDEO, "frame_cells": b"2"}, {"frame_0": VIDEO, "frame_cells": b"2"}):
        assert read(Request(parts)).options == {"frame_cells": "2"}


def test_repeated_parts_are_a_list() -> None:
    parsed = read(Request({"video": VIDEO, "target": Repeated([b"a", bytearray(b"b")])}))
    assert parsed.options == {"target": ["a", "b"]}


def test_a_compressed_body_is_refused_as_such() -> None:
    with pytest.raises(UnsupportedMedia, match="gzip"):
        parse(Request({"body": VIDEO}, {"content-encoding": "gzip"}))


JSON = {"content-type": "application/json"}


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
        ({"video": Repeated([VIDEO, VIDEO])}, {}, "2 parts `video`"),
        ({"frame_000": Repeated([b"a", b"a"])}, {}, "2 parts `frame_000`"),
        ({"video": VIDEO, "target": Repeated([b"a", b"\xff"])}, {}, "not UTF-8"),
        ({"body": {"video": "data:video/mp4,abc"}}, {}, "not base64"),
        ({"body": {"video": "A"}}, {}, "not base64"),
        ({"body": {"video": None}}, {}, "no clip"),
        ({"body": {"video": ENCODED, "parameters": [1]}}, {}, "`parameters` must be"),
        ({"body": {"video": ENCODED, "seed": 1, "parameters": {"seed": 2}}}, {}, "given twice"),
        ({"body": {"instances": [{"b64": ENCODED, "seed": 1}], "seed": 2}}, {}, "given twice"),
        ({"body": b'{"video": "", "a": 1, "a": 1}'}, JSON, "gives 'a' twice"),
        ({"body": b'{"a": [' + b"[]," * MAX_JSON_VALUES + b"1]}"}, JSON, "20000 values"),
        ({"body": b'{"a": ' + b"[" * 15_000}, JSON, "not valid JSON"),
        ({"body": b"[1]"}, JSON, "not an object"),
    ],
)
def test_what_cannot_be_read(parts: Any, headers: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read(Request(parts, headers))
