"""Version 2 of the open inference protocol: tensors as JSON, or as bytes behind it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from videovisual.errors import InvalidParameter, PredictorError
from videovisual.utils.text import shown
from videovisual.zoo.adapter import Layout
from videovisual.zoo.card import InputSpec
from videovisual.zoo.input_layout import input_layout
from videovisual.zoo.predictor.tensors import (
    JSON_BYTES,
    Outputs,
    finite,
    json_list,
    members,
    numbers,
)

HEADER_LENGTH = "Inference-Header-Content-Length"
BINARY = "binary_tensor_data"
"""The extension of a server that takes and gives tensors as bytes."""

DTYPES: Mapping[str, type[np.generic]] = {
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
}
"""Datatypes of tensors that are read. Others, such as texts, are left out."""

INPUTS = ("FP32", "FP16", "FP64", "UINT8")
"""Datatypes that clips are converted to."""


@dataclass(frozen=True)
class V2:
    """`POST …/infer` with one input, whose outputs are tensors.

    Attributes:
        name: of the input.
        datatype: of the input.
        shape: of the input, with -1 where any size goes.
        binary: whether tensors are sent as bytes.
        facts: the metadata's `parameters`.
    """

    name: str
    datatype: str
    shape: tuple[int, ...]
    binary: bool
    facts: Mapping[str, Any]
    path: str = "/infer"

    @property
    def batch(self) -> int | None:
        """The number of clips that the model insists on, if any."""
        return self.shape[0] if self.shape[0] > 0 else None

    @property
    def value_bytes(self) -> int:
        """About how long a number is in a request."""
        return np.dtype(DTYPES[self.datatype]).itemsize if self.binary else JSON_BYTES

    def layout(self, spec: InputSpec, given: Layout | None) -> Layout:
        """The order of the axes of the model's input; see `input_layout`."""
        return input_layout(self.datatype, self.shape, spec, given)

    @classmethod
    def of(cls, metadata: bytes, server: bytes, *, binary: bool | None) -> "V2":
        """What a model's metadata say of its input.

        Args:
            metadata: of the model.
            server: of the server; empty if it gives none.
            binary: whether tensors are sent as bytes; None if the server says that it takes them.

        Raises:
            PredictorError: these are no metadata.
            InvalidParameter: the model takes other inputs than one of clips.
        """
        about = members(metadata)
        try:
            inputs = [
                (str(e["name"]), str(e["datatype"]), tuple(e["shape"])) for e in about["inputs"]
            ]
            whole = all(type(size) is int for _, _, shape in inputs for size in shape)
        except (KeyError, TypeError) as error:
            raise PredictorError(
                f"The predictor's metadata describe no inputs: {shown(about)}."
            ) from error
        if len(inputs) != 1 or not whole or len(inputs[0][2]) != 5 or inputs[0][1] not in INPUTS:
            told = ", ".join(f"{name!r} {kind} {list(shape)}" for name, kind, shape in inputs)
            raise InvalidParameter(
                f"The predictor takes {shown(told, 300) or 'no input'}. It must take one input of "
                f"clips, with five axes, of {', '.join(INPUTS)}.",
                parameter="url",
            )
        if binary is None:
            extensions = members(server).get("extensions") if server else None
            binary = isinstance(extensions, list) and BINARY in extensions
        facts = about.get("parameters")
        return cls(*inputs[0], binary, facts if isinstance(facts, dict) else {})

    def request(self, clips: npt.NDArray[np.float32]) -> tuple[bytes, Mapping[str, str]]:
        """The body, and its headers."""
        dtype = DTYPES[self.datatype]
        values = np.rint(clips).clip(0, 255) if dtype is np.uint8 else clips
        given = np.ascontiguousarray(values, np.dtype(dtype).newbyteorder("<"))
        tensor = {"name": self.name, "datatype": self.datatype, "shape": list(given.shape)}
        if not self.binary:
            head = json.dumps(tensor).encode()[:-1]
            body = json_list(b'{"inputs":[' + head + b',"data":[', given, b"]}]}")
            return body, {"Content-Type": "application/json"}
        head = json.dumps(
            {
                "inputs": [{**tensor, "parameters": {"binary_data_size": given.nbytes}}],
                "parameters": {"binary_data_output": True},
            }
        ).encode()
        headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
        return head + given.tobytes(), headers

    def outputs(self, body: bytes, headers: Mapping[str, str], count: int) -> Outputs:
        """The answer's tensors by name, each with `count` rows.

        Raises:
            PredictorError: it has none, or others.
        """
        told = headers.get(HEADER_LENGTH.lower(), str(len(body)))
        if not told.isdecimal() or len(told) > 12 or int(told) > len(body):
            raise PredictorError(
                f"The predictor says that the head of its answer has {shown(told)} bytes, and the "
                f"answer has {len(body)}."
            )
        head, rest = body[: int(told)], memoryview(body)[int(told) :]
        outputs = members(head).get("outputs")
        found = {}
        for output in outputs if isinstance(outputs, list) else ():
            if not isinstance(output, dict):
                raise PredictorError(f"The predictor gives {shown(output)} for an output.")
            values, rest = _values(output, rest)
            if values is not None:
                found[str(output.get("name"))] = values
        if not found:
            raise PredictorError(
                f"The predictor's `outputs` hold no tensor of numbers, but {shown(outputs)}."
            )
        return finite(found, count)


def _values(
    output: Mapping[str, Any], rest: memoryview
) -> tuple[npt.NDArray[np.float32] | None, memoryview]:
    """A tensor's values, None for texts, and the bytes behind it."""
    name, datatype = shown(output.get("name")), str(output.get("datatype"))
    parameters = output.get("parameters")
    size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
    data = rest[:size] if type(size) is int and 0 <= size <= len(rest) else None
    if size is not None and data is None:
        raise PredictorError(
            f"The predictor says that its output {name!r} has {shown(size)} bytes, and "
            f"{len(rest)} are there."
        )
    rest = rest if data is None else rest[len(data) :]
    if datatype not in DTYPES:
        return None, rest
    dtype = np.dtype(DTYPES[datatype]).newbyteorder("<")
    shape = output.get("shape")
    values = None
    if isinstance(shape, list) and all(type(each) is int and each >= 0 for each in shape):
        if data is None:
            values = numbers(output.get("data"))
        elif len(data) % dtype.itemsize == 0:
            values = np.frombuffer(data, dtype).astype(np.float32)
    if values is None or values.size != prod(shape or ()):
        raise PredictorError(
            f"The predictor's output {name!r} is said to be {shown(datatype)} {shown(shape)}, and "
            "its values are others."
        )
    return values.reshape(shape), rest
