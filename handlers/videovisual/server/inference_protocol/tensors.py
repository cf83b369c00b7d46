"""The values of an input tensor → a clip, with every size checked before anything is allocated."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from videovisual.errors import InvalidRequest
from videovisual.server.inference_protocol.wire import MAX_DIMENSIONS, InputTensor
from videovisual.utils.text import shown

VIDEO, CLIP = "video", "clip"
DATATYPES: Mapping[str, tuple[str, ...]] = {VIDEO: ("BYTES",), CLIP: ("UINT8", "FP32")}
"""Of each input."""

DTYPES: Mapping[str, np.dtype[Any]] = {"UINT8": np.dtype("u1"), "FP32": np.dtype("<f4")}
LENGTH_BYTES = 4
"""A binary value of BYTES begins with its length."""

SIZE = "binary_data_size"
SHAPES = "`video` is BYTES [1], `clip` is UINT8 or FP32 [T, H, W, 3]"

Frames = npt.NDArray[np.uint8]


def check(tensor: InputTensor) -> None:
    """Raises InvalidRequest where a tensor is none of the two inputs, or of another form."""
    name = shown(tensor.name)
    allowed = DATATYPES.get(tensor.name)
    if allowed is None:
        raise InvalidRequest(f"There is no input {name!r}. {SHAPES}.", input=name)
    if tensor.datatype not in allowed:
        raise InvalidRequest(
            f"{name!r} is {shown(tensor.datatype)}. Allowed: {', '.join(allowed)}.",
            input=name,
            allowed=list(allowed),
        )
    fits = (
        math.prod(tensor.shape) == 1
        if tensor.name == VIDEO
        else len(tensor.shape) == 4 and tensor.shape[-1] == 3
    )
    if not fits:
        raise InvalidRequest(
            f"{name!r} has the shape {tensor.shape}: {SHAPES}. Send one request a clip.", input=name
        )


def binary_size(tensor: InputTensor) -> int | None:
    """Bytes of a tensor's values after the JSON; None where they are in it.

    Raises:
        InvalidRequest: neither or both, or a size that the shape doesn't have.
    """
    given = (tensor.parameters or {}).get(SIZE)
    name = shown(tensor.name)
    if (given is None) == (tensor.data is None):
        raise InvalidRequest(
            f"{name!r} needs its values either in `data` or after the JSON, with `{SIZE}` in its "
            "parameters. Shared memory is not read.",
            input=name,
        )
    if given is None:
        return None
    if type(given) is not int or given < 0:
        raise InvalidRequest(f"`{SIZE}` of {name!r} must be a whole number from 0.", input=name)
    if tensor.datatype in DTYPES:
        needed = math.prod(tensor.shape) * DTYPES[tensor.datatype].itemsize
        if given != needed:
            raise InvalidRequest(
                f"{name!r} is {tensor.datatype} {tensor.shape}, {needed} bytes, and `{SIZE}` says "
                f"{given}. Give the size of the shape.",
                input=name,
            )
    return given


def video(data: Any) -> str:
    """The base64 of a `video` in JSON, as `data` has it: the only value of nested lists."""
    for _ in range(MAX_DIMENSIONS):
        if isinstance(data, list) and len(data) == 1:
            (data,) = data
    if not isinstance(data, str):
        raise InvalidRequest(
            "`data` of 'video' must be a list of one string, the file in base64.", input=VIDEO
        )
    return data


def binary_video(values: memoryview) -> bytes:
    """The file of a binary `video`, which begins with its length, 4 bytes, little-endian."""
    length = int.from_bytes(values[:LENGTH_BYTES], "little")
    if len(values) < LENGTH_BYTES or length != len(values) - LENGTH_BYTES:
        raise InvalidRequest(
            f"The binary 'video' has {len(values)} bytes: it must be the file's length in "
            f"{LENGTH_BYTES} bytes, little-endian, and the file.",
            input=VIDEO,
        )
    return bytes(values[LENGTH_BYTES:])


def clip(tensor: InputTensor) -> Frames:
    """The frames of a `clip` in JSON.

    Raises:
        InvalidRequest: no numbers, not of the shape, or out of range.
    """
    try:
        values = np.asarray(tensor.data, np.float64)
    except (ValueError, TypeError, OverflowError, RecursionError):
        values = np.empty(0)
    shape = tuple(tensor.shape)
    if values.shape not in (shape, (math.prod(shape),)):
        raise InvalidRequest(
            f"`data` of 'clip' must be {math.prod(shape)} numbers, flat or nested as the shape "
            f"{tensor.shape} says.",
            input=CLIP,
        )
    return _frames(values.reshape(shape), tensor.datatype)


def binary_clip(tensor: InputTensor, values: memoryview) -> Frames:
    """The frames of a binary `clip`; of UINT8 without a copy.

    Raises:
        InvalidRequest: FP32 out of range.
    """
    array = np.frombuffer(values, DTYPES[tensor.datatype]).reshape(tensor.shape)
    return array if tensor.datatype == "UINT8" else _frames(array, tensor.datatype)


def _frames(values: npt.NDArray[Any], datatype: str) -> Frames:
    """Numbers as pixels, a frame at a time; FP32 is rounded to 8 bits."""
    highest = 255 if datatype == "UINT8" else 1
    frames = np.empty(values.shape, np.uint8)
    for frame, pixels in zip(values, frames, strict=True):
        # NaN is in no range.
        if not (frame.min() >= 0 and frame.max() <= highest):
            raise InvalidRequest(
                f"A value of 'clip' is out of range. {datatype} is from 0 to {highest}.", input=CLIP
            )
        scaled = np.rint(frame * (255 // highest))
        if datatype == "UINT8" and (scaled != frame).any():
            raise InvalidRequest("A value of 'clip' is no whole number, but UINT8.", input=CLIP)
        pixels[...] = scaled
    return frames
