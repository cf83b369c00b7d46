"""The numbers of an answer as npz, in the bytes in which they came: reading it takes numpy, but
writing it doesn't."""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
from typing import Any

from videovisual.protocol import Answer, Array

FLOATS = {"float16": "<f2", "float32": "<f4", "float64": "<f8"}


def to_npz(answer: Answer) -> bytes:
    """The first explanation as in `Saliency.to_npz`, further maps as `map_1`, …, and the answer.

    The same answer gives the same bytes.

    Raises:
        ValueError: a map isn't floats, or isn't of its own shape.
    """
    first = answer.explanations[0]
    arrays = {
        "map": _values(first.map),
        "signed": _array("|b1", (), bytes([first.signed])),
        "diagnostics": _text(first.diagnostics),
        "provenance": _text(first.provenance),
    }
    for index, explanation in enumerate(answer.explanations):
        suffix = f"_{index}" if index else ""
        arrays[f"map{suffix}"] = _values(explanation.map)
        if explanation.signed_map is not None:
            arrays[f"signed_map{suffix}"] = _values(explanation.signed_map)
    count = len(first.curve)
    arrays["curve"] = _array("<f4", (count,), struct.pack(f"<{count}f", *first.curve))
    arrays["answer"] = _text(
        answer.model_dump(
            mode="json", exclude={"explanations": {"__all__": {"map", "signed_map", "provenance"}}}
        )
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():
            # A ZipInfo has no time of day of its own, a mere name would get one.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), array, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _values(array: Array) -> bytes:
    kind = FLOATS.get(array.dtype)
    if kind is None:
        raise ValueError(f"{array.dtype!r} is no map's dtype. Allowed: {', '.join(FLOATS)}.")
    values = array.to_bytes()
    if len(values) != math.prod(array.shape) * int(kind[-1]):
        raise ValueError(f"{len(values)} bytes are no {array.dtype} of shape {array.shape}.")
    return _array(kind, array.shape, values)


def _text(data: Any) -> bytes:
    text = json.dumps(data, sort_keys=True)
    return _array(f"<U{len(text)}", (), text.encode("utf-32-le"))


def _array(kind: str, shape: tuple[int, ...], values: bytes) -> bytes:
    """An `.npy` file of version 1.0, as numpy.lib.format describes it."""
    header = repr({"descr": kind, "fortran_order": False, "shape": shape}).encode()
    # Magic, version and length take 10 bytes; all of it ends in a newline, at a multiple of 64.
    header = header.ljust(len(header) + -(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + values
