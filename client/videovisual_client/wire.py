"""What a server sends, checked before anything else reads it."""

import array
import base64
import binascii
import math
import struct
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from videovisual.protocol import Answer, Array, Explanation, JobState
from videovisual_client.describe import describe, strongest_time
from videovisual_client.errors import ConnectionFailed

MIB = 2**20
MAX_ANSWER_BYTES = 512 * MIB
"""The longest answer, and the longest line of a stream; a server of ours sends 128 MiB at most."""
MAX_ERROR_BYTES = MIB
TYPES = {"float16": "e", "float32": "f", "float64": "d"}
"""The dtypes of a map, as `struct` names them."""


def parse_json(data: bytes) -> Any:
    """Data of JSON, as its standard defines it.

    Raises:
        ConnectionFailed: this is no JSON, has NaN, or is nested more than some 200 levels deep.
    """
    try:
        value = from_json(data, allow_inf_nan=False)
        _check_finite(value)
    except ValueError as error:
        raise ConnectionFailed(
            f"The server sent {len(data)} bytes that are not JSON: {error}. Check the server, and "
            "any proxy before it."
        ) from None
    return value


def parse_answer(data: Any) -> Answer:
    """The answer in data of JSON, its maps of the shapes that they say.

    Raises:
        ConnectionFailed: this is no answer, or contradicts itself.
    """
    try:
        answer = Answer.model_validate(data)
        _check(bool(answer.predictions), "no class")
        for explanation in answer.explanations:
            _check_explanation(explanation)
        if answer.explanations:
            _check(_are_indices(answer.clip.get("frame_indices")), "clip.frame_indices")
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "all of it"
        reason = f"{where}: {first['msg']}"
    except ValueError as error:
        reason = str(error)
    else:
        return answer
    raise ConnectionFailed(
        f"The server's response is not a VideoVisual answer ({reason[:200]}). Is this its "
        "inference address, and a version that fits this client?"
    )


def parse_job(data: bytes) -> JobState:
    """The state of a job in JSON.

    Raises:
        ConnectionFailed: this is none.
    """
    try:
        return JobState.model_validate(parse_json(data))
    except ValidationError:
        raise ConnectionFailed(
            "The server's response is not the state of a job. Is this its inference address, and "
            "a version that fits this client?"
        ) from None


def check_map(values: Array) -> None:
    """Check that a map is finite floats [T, H, W], as many as its shape says.

    Raises:
        ValueError: it isn't.
    """
    _check(len(values.shape) == 3 and min(values.shape) > 0, "a map's shape")
    _check(values.dtype in TYPES, "a map's dtype")
    kind = TYPES[values.dtype]
    try:
        data = base64.b64decode(values.base64, validate=True)
    except binascii.Error:
        raise ValueError("a map's base64") from None
    _check(len(data) == math.prod(values.shape) * struct.calcsize(kind), "a map's size")
    _check(math.isfinite(_total(data, kind)), "a map's values, which are not finite")


def _total(data: bytes, kind: str) -> float:
    if kind == "e":
        return math.fsum(struct.unpack(f"<{len(data) // 2}e", data))
    values = array.array(kind, data)
    if sys.byteorder == "big":
        values.byteswap()
    # A sum in doubles is not finite exactly if a value is not: float32 values can't overflow it.
    return sum(values)


def _check_explanation(explanation: Explanation) -> None:
    shape = explanation.map.shape
    check_map(explanation.map)
    if explanation.signed_map is not None:
        check_map(explanation.signed_map)
        _check(explanation.signed_map.shape == shape, "signed_map's shape")
    _check(len(explanation.curve) == shape[0], "curve's length")
    peak = zip(explanation.peak, shape, strict=True)
    _check(all(0 <= at < size for at, size in peak), "peak")
    try:
        # Reads the diagnostics and the timestamps, whose types depend on the method.
        for _ in describe(explanation):
            """Only whether it fails matters."""
        strongest_time(explanation)
    except (TypeError, LookupError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"diagnostics or timestamps: {error}") from None


def _are_indices(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _check(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _check_finite(value: Any) -> None:
    """Raise ValueError for a number such as 1e999, which is read as infinity."""
    if isinstance(value, float):
        _check(math.isfinite(value), "a number is too large")
    elif isinstance(value, Mapping):
        for item in value.values():
            _check_finite(item)
    elif isinstance(value, list):
        for item in value:
            _check_finite(item)
