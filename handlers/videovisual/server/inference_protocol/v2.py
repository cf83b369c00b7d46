"""Version 2: a request's tensors → a clip and its options, and an answer → tensors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from videovisual.errors import InvalidParameter, InvalidRequest, TooLarge, VideoVisualError
from videovisual.pipeline.pipeline import Result
from videovisual.pipeline.plan import Plan
from videovisual.server.decoding import from_json
from videovisual.server.inference_protocol import outputs, tensors
from videovisual.server.inference_protocol.metadata import VERSION
from videovisual.server.inference_protocol.tensors import Frames
from videovisual.server.inference_protocol.wire import InferRequest, RequestedOutput
from videovisual.server.reply import JSON, Reply, error_reply
from videovisual.utils.text import shown
from videovisual.utils.validation import first_reason
from videovisual.zoo import ModelCard

LENGTH_HEADER = "inference-header-content-length"
"""Bytes of the JSON at the beginning of a body."""

BINARY = "application/octet-stream"
BINARY_OUTPUT = "binary_data_output"
MAX_VALUES = 2**22
"""Most values in a request's JSON: a clip of 27 frames of 224²."""

VALUE_BYTES, MEMBER_BYTES = 64, 256
"""The memory that a number or an empty list of JSON takes, and that a member of an object takes."""

EXAMPLE = '{"inputs": [{"name": "video", "shape": [1], "datatype": "BYTES", "data": ["<base64>"]}]}'


@dataclass(frozen=True)
class Inference:
    """What a request says of its answer.

    Attributes:
        id: the request's own.
        wanted: the outputs, and whether each is sent as bytes; None for all.
        binary: whether outputs are sent as bytes that say nothing of it.
    """

    id: str | None
    wanted: Mapping[str, bool] | None
    binary: bool

    @property
    def explains(self) -> bool:
        """Whether a map is asked for by its name."""
        return any(name.startswith(outputs.SALIENCY) for name in self.wanted or ())

    def check(self, plan: Plan, maximum: int) -> None:
        """Refuse an answer that the plan doesn't give.

        Args:
            plan: of the request.
            maximum: bytes that an answer may have.

        Raises:
            InvalidParameter: an output that there isn't.
            TooLarge: the maps make no answer that may be sent.
        """
        maps = len(plan.explainers) * len(plan.options.target)
        known = outputs.names(plan.classifier.card, maps)
        for name in self.wanted or ():
            if name not in known:
                raise InvalidParameter(
                    f"There is no output {shown(name)!r}. This request has {', '.join(known)}.",
                    output=shown(name),
                    allowed=known,
                )
        pixels = plan.shape[0] * plan.shape[1] * plan.shape[2]
        size = 0
        for name, binary in self._outputs(plan.classifier.card, maps).items():
            if name.startswith(outputs.SALIENCY):
                size += pixels * (outputs.VALUE_BYTES if binary else outputs.TEXT_BYTES)
            elif name == outputs.ANSWER:
                # In JSON a map is base64.
                size += maps * pixels * outputs.VALUE_BYTES * 4 // 3
        if size > maximum:
            raise TooLarge(
                f"The answer may have {size} bytes, more than the {maximum} that may be sent. Ask "
                "for fewer targets or frames, or for outputs with `binary_data`.",
                given=size,
                maximum=maximum,
            )

    def reply(self, card: ModelCard, result: Result) -> Reply:
        """The answer as JSON, with the outputs that are sent as bytes after it."""
        wanted = self._outputs(card, len(result.saliencies))
        described, after = [], []
        for tensor in outputs.tensors(card, result, list(wanted)):
            about: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype}
            about["shape"] = tensor.shape
            if wanted[tensor.name]:
                after.append(tensor.binary())
                about["parameters"] = {tensors.SIZE: len(after[-1])}
                described.append(json.dumps(about))
            else:
                described.append(f'{json.dumps(about)[:-1]}, "data": {tensor.text()}}}')
        head: dict[str, Any] = {"model_name": card.name, "model_version": VERSION}
        if self.id is not None:
            head["id"] = self.id
        text = f'{json.dumps(head)[:-1]}, "outputs": [{", ".join(described)}]}}'.encode()
        if not after:
            return Reply(200, JSON, text)
        length = {"Inference-Header-Content-Length": str(len(text))}
        return Reply(200, BINARY, b"".join((text, *after)), length)

    def _outputs(self, card: ModelCard, maps: int) -> Mapping[str, bool]:
        """The outputs of an answer with so many maps, and whether each is sent as bytes."""
        known = outputs.names(card, maps)
        if self.wanted is None:
            return dict.fromkeys(known[:-1], self.binary)
        # At its deadline an answer may have fewer maps than it was asked for.
        return {name: binary for name, binary in self.wanted.items() if name in known}


@dataclass(frozen=True)
class Given:
    """A request, sorted.

    Attributes:
        inference: what it says of its answer.
        video: the clip as one file, in base64 if it is a str; None where it came as frames.
        frames: the clip as frames.
        options: by name.
    """

    inference: Inference
    video: str | bytes | None
    frames: Frames | None
    options: Mapping[str, Any]


def is_inference(body: Mapping[str, Any]) -> bool:
    """Whether a JSON body is of version 2: version 1 may have `inputs` too, but no tensors."""
    inputs = body.get("inputs")
    first = inputs[0] if isinstance(inputs, list) and inputs else None
    return isinstance(first, Mapping) and {"name", "datatype"} <= first.keys()


def is_unnamed(body: Any) -> bool:
    """Whether a body without a Content-Type is tensors in JSON: Triton's client names none."""
    return isinstance(body, bytes | bytearray) and body[:1] == b"{" and b'"datatype"' in body


def parse(body: bytes | Mapping[str, Any], header_length: str | None) -> Given:
    """Sort a request.

    Args:
        body: JSON, read or not, and the tensors after it.
        header_length: bytes of the JSON, as a header says; None where the body is nothing else.

    Raises:
        InvalidRequest: not of the protocol, or sizes that don't fit each other.
    """
    after = memoryview(b"")
    if not isinstance(body, Mapping):
        text, after = _split(body, header_length)
        body = from_json(text, MAX_VALUES, EXAMPLE)
    try:
        request = InferRequest.model_validate(body)
    except ValidationError as error:
        raise InvalidRequest(
            f"This is no inference request: {shown(first_reason(error), 200)}. Send one such as "
            f"{EXAMPLE}."
        ) from None
    if len(request.inputs) != 1:
        found = shown(", ".join(each.name for each in request.inputs))
        raise InvalidRequest(f"There are {len(request.inputs)} inputs ({found}). Send one clip.")
    video, frames = _clip(request, after)
    options = {
        name: value for name, value in (request.parameters or {}).items() if value is not None
    }
    binary = _flag(options.pop(BINARY_OUTPUT, False), BINARY_OUTPUT)
    wanted = None
    if request.outputs:
        wanted = {each.name: _is_binary(each, binary) for each in request.outputs}
        if len(wanted) < len(request.outputs):
            raise InvalidRequest("An output is asked for twice. Ask for it once.")
    return Given(Inference(request.id, wanted, binary), video, frames, options)


def error_of(error: VideoVisualError) -> Reply:
    """The reply of a request that failed: `{"error": "text", "code", "detail"}`."""
    reply = error_reply(error)
    facts = json.loads(reply.body)["error"]
    body = {"error": facts["message"], "code": facts["code"], "detail": facts["detail"]}
    return Reply(reply.status, reply.content_type, json.dumps(body).encode(), reply.headers)


def json_memory(body: bytes) -> int:
    """The most bytes of memory that reading a body's JSON takes."""
    values, members = (min(MAX_VALUES, body.count(sign) + 1) for sign in (b",", b":"))
    return VALUE_BYTES * values + MEMBER_BYTES * members


def _split(body: bytes, header_length: str | None) -> tuple[bytes, memoryview]:
    """The JSON of a body, and what comes after it."""
    if header_length is None:
        return body, memoryview(b"")
    digits = header_length.strip()
    # A number of thousands of digits is none for Python.
    length = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else 0
    if not 0 < length <= len(body):
        raise InvalidRequest(
            f"Inference-Header-Content-Length is {shown(header_length)!r}, and the body has "
            f"{len(body)} bytes. Give the length of the JSON at its beginning."
        )
    return body[:length], memoryview(body)[length:]


def _clip(request: InferRequest, after: memoryview) -> tuple[str | bytes | None, Frames | None]:
    """The clip as a file, or as frames."""
    (tensor,) = request.inputs
    tensors.check(tensor)
    size = tensors.binary_size(tensor)
    if (size or 0) != len(after):
        raise InvalidRequest(
            f"{len(after)} bytes came after the JSON, and `{tensors.SIZE}` says {size or 0}. Give "
            "Inference-Header-Content-Length, and the size of what comes after the JSON."
        )
    if tensor.name == tensors.VIDEO:
        return tensors.video(tensor.data) if size is None else tensors.binary_video(after), None
    return None, tensors.clip(tensor) if size is None else tensors.binary_clip(tensor, after)


def _is_binary(output: RequestedOutput, otherwise: bool) -> bool:
    given = dict(output.parameters or {})
    binary = _flag(given.pop("binary_data", otherwise), "binary_data")
    if given:
        names = shown(", ".join(given))
        raise InvalidRequest(
            f"The output {shown(output.name)!r} has the parameters {names}. Allowed: binary_data. "
            "`labels` has the classes' names, and no memory is shared."
        )
    return binary


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidRequest(f"`{name}` must be true or false, not {shown(value)!r}.")
    return value
