"""Tensors in, and what of them is refused before anything is allocated."""

from __future__ import annotations

import base64
import json
import tracemalloc
from typing import Any

import numpy as np
import pytest
from tests.frames import blocks

from videovisual.errors import InvalidRequest
from videovisual.server.inference_protocol import v2

FRAMES = blocks(2, 3, 4)
FILE = b"\x00\xff a file"
VIDEO = {"name": "video", "shape": [1], "datatype": "BYTES"}
CLIP = {"name": "clip", "shape": list(FRAMES.shape), "datatype": "UINT8"}
FLOAT = CLIP | {"datatype": "FP32"}
ENCODED = base64.b64encode(FILE).decode()
UNITS = (FRAMES / 255).astype("<f4")


def body(*inputs: dict[str, Any], after: bytes = b"", **more: Any) -> tuple[bytes, str | None]:
    """A body, and the header that it comes with."""
    text = json.dumps({"inputs": inputs, **more}).encode()
    return text + after, str(len(text)) if after else None


def binary(tensor: dict[str, Any], values: bytes, **more: Any) -> tuple[bytes, str | None]:
    sized = tensor | {"parameters": {"binary_data_size": len(values)}}
    return body(sized, after=values, **more)


def prefixed(data: bytes) -> bytes:
    return len(data).to_bytes(4, "little") + data


CLIPS = {
    "flat": body(CLIP | {"data": FRAMES.ravel().tolist()}),
    "nested": body(CLIP | {"data": FRAMES.tolist()}),
    "binary": binary(CLIP, FRAMES.tobytes()),
    "FP32": body(FLOAT | {"data": UNITS.tolist()}),
    "binary FP32": binary(FLOAT, UNITS.tobytes()),
    "as other clients write it": body(
        CLIP | {"data": FRAMES.tolist(), "parameters": None},
        id="7",
        outputs=None,
        parameters=None,
        model_name="m",
    ),
}


@pytest.mark.parametrize("sent", CLIPS.values(), ids=CLIPS.keys())
def test_frames_arrive_as_they_were(sent: tuple[bytes, str | None]) -> None:
    given = v2.parse(*sent)
    assert given.video is None
    assert given.frames is not None
    assert given.frames.dtype == np.uint8
    np.testing.assert_array_equal(given.frames, FRAMES)


def test_a_file_comes_in_base64_or_as_it_is() -> None:
    for data in ([ENCODED], [[ENCODED]]):
        assert v2.parse(*body(VIDEO | {"data": data})).video == ENCODED
    assert v2.parse(*body(VIDEO | {"shape": [1, 1], "data": [ENCODED]})).video == ENCODED
    assert v2.parse(*binary(VIDEO, prefixed(FILE))).video == FILE


def test_binary_frames_are_not_copied() -> None:
    sent, length = binary(CLIP, FRAMES.tobytes())
    frames = v2.parse(sent, length).frames
    assert frames is not None
    assert np.shares_memory(frames, np.frombuffer(sent, np.uint8))


def test_parameters_are_options_and_say_how_outputs_are_sent() -> None:
    clip = VIDEO | {"data": [ENCODED]}
    given = v2.parse(*body(clip, id="7", parameters={"method": "rise", "seed": None}))
    assert given.options == {"method": "rise"}
    assert given.inference == v2.Inference(id="7", wanted=None, binary=False)
    given = v2.parse(*body(clip, parameters={"binary_data_output": True, "top_k": 3}))
    assert given.options == {"top_k": 3}
    assert given.inference == v2.Inference(id=None, wanted=None, binary=True)
    asked = [{"name": "logits", "parameters": {"binary_data": False}}, {"name": "labels"}]
    given = v2.parse(*body(clip, outputs=asked, parameters={"binary_data_output": True}))
    assert given.inference.wanted == {"logits": False, "labels": True}


HUGE = [2**31 - 1, 2**31 - 1, 2**31 - 1, 3]
DATA = FRAMES.tolist()
BAD: dict[str, tuple[tuple[bytes, str | None], str]] = {
    "no JSON": ((b"\x00", None), "not valid JSON"),
    "no object": ((b"[]", None), "not an object"),
    "no inputs": ((b"{}", None), "no inference request: inputs"),
    "none": (body(), "inputs: List should have at least 1"),
    "two": (body(VIDEO | {"data": [ENCODED]}, CLIP | {"data": DATA}), "2 inputs .video, clip."),
    "misspelt": (body(VIDEO | {"Data": [ENCODED]}), "Data: Extra inputs"),
    "beside": (body(VIDEO | {"data": [ENCODED]}, method="rise"), "method: Extra inputs"),
    "twice": ((b'{"inputs": [], "inputs": []}', None), "twice"),
    "another": (body({"name": "image", "shape": [1], "datatype": "BYTES", "data": ["x"]}), "image"),
    "datatype": (body(CLIP | {"datatype": "INT64", "data": DATA}), "Allowed: UINT8, FP32"),
    "no datatype": (body(CLIP | {"datatype": "uint8", "data": DATA}), "Allowed: UINT8, FP32"),
    "several files": (body(VIDEO | {"shape": [2], "data": [ENCODED, ENCODED]}), "shape"),
    "negative": (body(CLIP | {"shape": [-1, 3, 4, 3], "data": DATA}), "greater than or equal to 1"),
    "zero": (body(CLIP | {"shape": [0, 3, 4, 3], "data": []}), "greater than or equal to 1"),
    "fraction": (body(CLIP | {"shape": [2.5, 3, 4, 3], "data": DATA}), "valid integer"),
    "boolean": (body(CLIP | {"shape": [True, 3, 4, 3], "data": DATA}), "valid integer"),
    "overflow": (body(CLIP | {"shape": [2**70, 3, 4, 3], "data": DATA}), "less than or equal"),
    "huge": (body(CLIP | {"shape": HUGE, "data": DATA}), "numbers, flat or nested"),
    "huge binary": (binary(CLIP | {"shape": HUGE}, FRAMES.tobytes()), "says 72"),
    "dimensions": (body(CLIP | {"shape": [1] * 9, "data": DATA}), "at most 8"),
    "no colours": (body(CLIP | {"shape": [2, 3, 12], "data": DATA}), "T, H, W, 3"),
    "batch": (body(CLIP | {"shape": [1, 2, 3, 4, 3], "data": [DATA]}), "one request a clip"),
    "grey": (body(CLIP | {"shape": [2, 3, 12, 1], "data": DATA}), "T, H, W, 3"),
    "too few": (body(CLIP | {"data": DATA[:1]}), "must be 72 numbers"),
    "ragged": (body(CLIP | {"data": [*DATA[:1], [1]]}), "must be 72 numbers"),
    "another nesting": (body(CLIP | {"data": FRAMES.transpose(3, 0, 1, 2).tolist()}), "nested as"),
    "texts": (body(CLIP | {"data": ["x" * 1000] * 72}), "must be 72 numbers"),
    "object": (body(CLIP | {"data": {"0": 1}}), "must be 72 numbers"),
    "over 255": (body(CLIP | {"data": [256] * 72}), "out of range. UINT8 is from 0 to 255"),
    "under 0": (body(CLIP | {"data": [-1] * 72}), "out of range"),
    "halves": (body(CLIP | {"data": [0.5] * 72}), "no whole number"),
    "over 1": (body(FLOAT | {"data": [1.5] * 72}), "FP32 is from 0 to 1"),
    "infinite": ((body(FLOAT | {"data": [float("inf")] * 72})), "out of range"),
    "NaN": (binary(FLOAT, np.full(FRAMES.shape, np.nan, "<f4").tobytes()), "out of range"),
    "enormous": (body(FLOAT | {"data": [10**400] * 72}), "must be 72 numbers"),
    "no data": (body(CLIP), "either in `data` or after"),
    "data twice": (
        body(CLIP | {"data": DATA, "parameters": {"binary_data_size": 72}}, after=FRAMES.tobytes()),
        "either in `data` or after",
    ),
    "no length": (body(CLIP | {"parameters": {"binary_data_size": 72}}), "0 bytes came"),
    "size of another": (binary(CLIP, FRAMES.tobytes()[:-1]), "72 bytes, and .* says 71"),
    "cut off": ((binary(FLOAT, UNITS.tobytes())[0][:-4], binary(FLOAT, UNITS.tobytes())[1]), "284"),
    "too long": (body(VIDEO | {"data": [ENCODED]}, after=b"more"), "4 bytes came"),
    "negative size": (body(CLIP | {"parameters": {"binary_data_size": -72}}), "whole number"),
    "true size": (body(CLIP | {"parameters": {"binary_data_size": True}}), "whole number"),
    "no prefix": (binary(VIDEO, FILE), "the file's length"),
    "short prefix": (binary(VIDEO, b"\x00"), "the file's length"),
    "two files": (binary(VIDEO, prefixed(FILE) * 2), "the file's length"),
    "no text": (body(VIDEO | {"data": [7]}), "list of one string"),
    "header beyond": ((body(VIDEO | {"data": [ENCODED]})[0], "9999"), "has .* bytes"),
    "header of nothing": ((b"{}", "0"), "has 2 bytes"),
    "negative header": ((b"{}", "-2"), "has 2 bytes"),
    "no header": ((b"{}", "two"), "has 2 bytes"),
    "endless header": ((b"{}", "9" * 5000), "has 2 bytes"),
    "many inputs": (body(*[VIDEO] * 101), "at most 100"),
    "many members": ((json.dumps({str(n): 1 for n in range(200)}).encode(), None), "200 members"),
    "many parameters": (
        body(VIDEO | {"data": [ENCODED]}, parameters={str(n): 1 for n in range(200)}),
        "at most 100",
    ),
    "nested parameters": (
        body(VIDEO | {"data": [ENCODED]}, parameters={"target": [1, 2]}),
        "parameters.target",
    ),
    "long id": (body(VIDEO | {"data": [ENCODED]}, id="i" * 1001), "id: String should have"),
    "shared": (body(CLIP | {"parameters": {"shared_memory_region": "r"}}), "Shared memory"),
    "no flag": (
        body(VIDEO | {"data": [ENCODED]}, parameters={"binary_data_output": "yes"}),
        "true or false",
    ),
    "output twice": (
        body(VIDEO | {"data": [ENCODED]}, outputs=[{"name": "labels"}] * 2),
        "asked for twice",
    ),
    "classification": (
        body(
            VIDEO | {"data": [ENCODED]},
            outputs=[{"name": "labels", "parameters": {"classification": 3}}],
        ),
        "Allowed: binary_data",
    ),
    "values": (body(CLIP | {"data": [[]] * (v2.MAX_VALUES // 2 + 1)}), "more than 4194304 values"),
}


@pytest.mark.parametrize(("sent", "message"), BAD.values(), ids=BAD.keys())
def test_what_is_wrong_is_said(sent: tuple[bytes, str | None], message: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(InvalidRequest, match=message):
            v2.parse(*sent)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20 + 2 * len(sent[0])


def test_the_json_of_a_large_body_is_counted() -> None:
    """More than it takes, and for frames not much more."""
    for values in ([1.5] * 100_000, [[]] * 100_000, [{str(each): 1} for each in range(50_000)]):
        text = json.dumps({"data": values}).encode()
        tracemalloc.start()
        read = json.loads(text)
        taken, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert read
        assert taken < v2.json_memory(text) < 3 * taken
    many = b"," * (v2.MAX_VALUES + 10)
    assert v2.json_memory(many) <= v2.VALUE_BYTES * v2.MAX_VALUES + v2.MEMBER_BYTES


def test_tensors_are_told_from_version_1() -> None:
    assert v2.is_inference({"inputs": [VIDEO]})
    for other in ({"inputs": [ENCODED]}, {"inputs": [{"b64": ENCODED}]}, {"inputs": []}, {}):
        assert not v2.is_inference(other)
