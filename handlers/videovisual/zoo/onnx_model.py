"""ONNX models, run by onnxruntime: a file of operators and weights, without a network's code.

onnxruntime gets all weights in memory and opens no file, so a model's references to other files are
followed here, and only into its own folder.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from videovisual.errors import InvalidParameter, MissingFile, WeightsError
from videovisual.utils.extras import needs
from videovisual.utils.text import shown
from videovisual.zoo.adapter import Layout
from videovisual.zoo.card import InputSpec
from videovisual.zoo.input_layout import BYTES, input_layout

ONNX = "onnx"
"""The family of ONNX models, in their cards."""

MAX_BYTES = 2**31 - 1
"""The largest model: protobuf's own limit, weights included."""

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
"""The types of inputs that clips are converted to."""


@dataclass(frozen=True)
class OnnxModel:
    """A model that takes clips. Calling it gives its only output, or its outputs by name.

    Attributes:
        session: onnxruntime's.
        sha256: of the file, or of the whole model where its weights are in other files.
        size: in bytes, with all weights.
        version: of onnxruntime.
        read_again: the model's bytes, with all weights; they are not kept beside the session's.
    """

    session: Any
    sha256: str
    size: int
    version: str
    read_again: Callable[[], bytes]

    @property
    def outputs(self) -> list[str]:
        """The names of its outputs."""
        return [output.name for output in self.session.get_outputs()]

    @property
    def runtime(self) -> Mapping[str, str]:
        """The library that computes the scores, and its version."""
        return {"onnxruntime": self.version}

    @classmethod
    def read(cls, path: Path) -> "OnnxModel":
        """Read a file and the weights beside it.

        Raises:
            MissingFile: there is no such file.
            WeightsError: it is damaged or too large, names files outside of its folder, or needs
                operators that onnxruntime lacks.
            InvalidParameter: it has other inputs than one of clips.
            MissingExtra: onnx or onnxruntime is not installed.
        """
        if not path.is_file():
            raise MissingFile(f"There is no file {shown(path)}.", path=shown(path))
        return cls._of(_whole(path), path.name, lambda: _whole(path))

    @classmethod
    def archived(cls, read: Callable[[], bytes], sha256: str, name: str) -> "OnnxModel":
        """The model of an archive, which refers to no other file.

        Args:
            read: the bytes of the model.
            sha256: of these bytes, as it was when the archive was built.
            name: of the model, for messages.

        Raises:
            WeightsError: the bytes are others than those that were archived, or as `read`.
            InvalidParameter, MissingExtra: as `read`.
        """
        data = read()
        if hashlib.sha256(data).hexdigest() != sha256:
            raise _unusable(
                name, "its SHA-256 is not the one that was archived. Build the archive again"
            )
        outside = sorted({_location(each) for each in _outside(_parsed(data, name))})
        if outside:
            raise _unusable(
                name,
                f"its weights are said to be in {shown(', '.join(outside), 300)}, and an archive "
                "holds one file. Build it again from the `.onnx`",
            )
        return cls._of(data, name, read)

    def whole(self) -> bytes:
        """The model's bytes with all weights, read again.

        Raises:
            WeightsError: the file has changed since it was loaded.
        """
        data = self.read_again()
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise WeightsError(
                "The ONNX file has changed since it was loaded. Load it again.",
                expected=self.sha256,
            )
        return data

    @classmethod
    def _of(cls, data: bytes, name: str, read_again: Callable[[], bytes]) -> "OnnxModel":
        """A model from the bytes of a file without references to others."""
        with needs("onnx"):
            import onnxruntime  # noqa: PLC0415
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise _unusable(name, f"onnxruntime can't run it: {_reason(error)}") from error
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in DTYPES or len(inputs[0].shape) != 5:
            told = ", ".join(f"{each.name!r} {each.type} {each.shape}" for each in inputs)
            raise InvalidParameter(
                f"{shown(name)} takes {shown(told, 300) or 'no input'}. It must take one input of "
                "clips, with five axes, of float32, float16, float64 or uint8. Export it again "
                "with the clips as its only input.",
                parameter="path",
            )
        digest = hashlib.sha256(data).hexdigest()
        return cls(session, digest, len(data), onnxruntime.__version__, read_again)

    def layout(self, spec: InputSpec, given: Layout | None = None) -> Layout:
        """The order of the axes of the model's input.

        Args:
            spec: the clips that it is said to take.
            given: the order that it is said to have; None finds the only one that fits.

        Raises:
            InvalidParameter: the model's shapes and types don't fit the description.
        """
        own = self.session.get_inputs()[0]
        return input_layout(own.type, own.shape, spec, given)

    def __call__(self, clips: npt.NDArray[np.float32]) -> Any:
        """The answer for clips [N, …] in the model's layout."""
        own = self.session.get_inputs()[0]
        dtype = DTYPES[own.type]
        if dtype is np.uint8:
            clips = np.rint(clips).clip(*BYTES)
        given = clips.astype(dtype)
        fixed = own.shape[0]
        most = fixed if isinstance(fixed, int) and fixed > 0 else len(given)
        parts = [self._run(given[at : at + most], most) for at in range(0, len(given), most)]
        whole = [np.concatenate(values) for values in zip(*parts, strict=True)]
        return whole[0] if len(whole) == 1 else dict(zip(self.outputs, whole, strict=True))

    def _run(self, clips: npt.NDArray[Any], most: int) -> list[npt.NDArray[Any]]:
        """The outputs for at most `most` clips, in a pass of exactly so many."""
        count = len(clips)
        given = np.concatenate([clips, np.repeat(clips[-1:], most - count, axis=0)])
        outputs = self.session.run(None, {self.session.get_inputs()[0].name: given})
        return [output[:count] for output in outputs]


def _whole(path: Path) -> bytes:
    """A model's bytes, with the weights that it has in other files of its folder.

    Raises:
        WeightsError: as `OnnxModel.read`.
    """
    _check_size(path, path.stat().st_size)
    data = path.read_bytes()
    model = _parsed(data, path.name)
    outside = _outside(model)
    if not outside:
        return data
    parts = [_Part.of(path, tensor) for tensor in outside]
    _check_size(path, len(data) + sum(part.length for part in parts))
    for tensor, part in zip(outside, parts, strict=True):
        tensor.raw_data = part.read()
        tensor.data_location = tensor.DEFAULT
        tensor.ClearField("external_data")
    whole: bytes = model.SerializeToString(deterministic=True)
    return whole


def _parsed(data: bytes, name: str) -> Any:
    with needs("onnx"):
        import onnx  # noqa: PLC0415
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:
        raise _unusable(name, f"it is no ONNX file ({_reason(error)})") from error


def _outside(model: Any) -> list[Any]:
    """The tensors whose values are in other files."""
    return [each for each in _tensors(model) if each.data_location == each.EXTERNAL]


def _location(tensor: Any) -> str:
    told = {entry.key: entry.value for entry in tensor.external_data}
    return str(told.get("location", ""))


@dataclass(frozen=True)
class _Part:
    """The place of a tensor's values in a file beside the model."""

    file: Path
    offset: int
    length: int

    @classmethod
    def of(cls, path: Path, tensor: Any) -> "_Part":
        """What a tensor of the model at `path` refers to."""
        told = {entry.key: entry.value for entry in tensor.external_data}
        location = _location(tensor)
        folder = path.parent.resolve()
        file = (folder / location).resolve()
        if not file.is_relative_to(folder) or not file.is_file():
            raise _unusable(
                path.name,
                f"its weights are said to be in {shown(location)!r}, and only files in its own "
                "folder are read",
            )
        numbers = told.get("offset", "0"), told.get("length", "0")
        if not all(number.isdecimal() and len(number) < 20 for number in numbers):
            raise _unusable(path.name, "it says no number where weights begin and end")
        offset, length = map(int, numbers)
        return cls(file, offset, length or max(0, file.stat().st_size - offset))

    def read(self) -> bytes:
        with self.file.open("rb") as opened:
            opened.seek(self.offset)
            return opened.read(self.length)


def _tensors(message: Any) -> Iterator[Any]:
    """All tensors in a protobuf message, at any depth."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in [value] if hasattr(value, "ListFields") else value:
                if field.message_type.full_name == "onnx.TensorProto":
                    yield each
                yield from _tensors(each)


def _check_size(path: Path, size: int) -> None:
    if not 0 <= size <= MAX_BYTES:
        raise _unusable(path.name, f"it has {size} bytes, and at most {MAX_BYTES} are read")


def _unusable(name: str, reason: str) -> WeightsError:
    return WeightsError(f"{shown(name)} can't be used: {reason}.", file=shown(name))


def _reason(error: Exception) -> str:
    return shown(str(error).strip().partition("\n")[0], 300)
