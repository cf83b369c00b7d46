"""The numbers of an answer as npz; writing it needs no numpy."""

import math
import struct

from videovisual.protocol.answers import Answer, Array
from videovisual.utils.npz import npy, npy_json, write_npz

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
        "signed": npy("|b1", (), bytes([first.signed])),
        "diagnostics": npy_json(first.diagnostics),
        "provenance": npy_json(first.provenance),
    }
    for index, explanation in enumerate(answer.explanations):
        suffix = f"_{index}" if index else ""
        arrays[f"map{suffix}"] = _values(explanation.map)
        if explanation.signed_map is not None:
            arrays[f"signed_map{suffix}"] = _values(explanation.signed_map)
    count = len(first.curve)
    arrays["curve"] = npy("<f4", (count,), struct.pack(f"<{count}f", *first.curve))
    arrays["answer"] = npy_json(
        answer.model_dump(
            mode="json",
            exclude={
                "evidence": True,
                "explanations": {"__all__": {"map", "signed_map", "provenance"}},
            },
        )
    )
    return write_npz(arrays)


def _values(array: Array) -> bytes:
    kind = FLOATS.get(array.dtype)
    if kind is None:
        raise ValueError(f"{array.dtype!r} is no map's dtype. Allowed: {', '.join(FLOATS)}.")
    values = array.to_bytes()
    if len(values) != math.prod(array.shape) * int(kind[-1]):
        raise ValueError(f"{len(values)} bytes are no {array.dtype} of shape {array.shape}.")
    return npy(kind, array.shape, values)
