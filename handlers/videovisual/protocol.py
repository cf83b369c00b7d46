"""Requests and answers: one truth for the server, the client and the API document."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from videovisual.attribution.catalogue import invalid_value
from videovisual.errors import InvalidParameter, UnknownOutput
from videovisual.extras import needs
from videovisual.polarity import Polarity

if TYPE_CHECKING:
    import numpy as np

    from videovisual.saliency import Saliency

HEADER_PREFIX = "x-videovisual-"
"""Options beside a raw body travel as headers of this prefix, `_` written as `-`."""

MAX_TARGETS = 8
MAX_METHODS = 8
MAX_VIEWS = 30

OF_EXPLANATIONS = ("output", "evaluate", "polarity", "target", "partial", "partial_every_s")
"""The options that mean nothing to a classification."""


class Output(str, Enum):
    """What an answer may be made of."""

    JSON = "json"
    NPZ = "npz"
    PNG = "png"
    GIF = "gif"
    MP4 = "mp4"
    HTML = "html"

    @property
    def content_type(self) -> str:
        """The answer's media type."""
        return {
            Output.JSON: "application/json",
            Output.NPZ: "application/octet-stream",
            Output.PNG: "image/png",
            Output.GIF: "image/gif",
            Output.MP4: "video/mp4",
            Output.HTML: "text/html; charset=utf-8",
        }[self]


class Options(BaseModel):
    """What a request may ask for, beside the clip and the method's own parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    method: tuple[str, ...] = Field(
        default=(),
        max_length=MAX_METHODS,
        description=f"an attribution method's name, or up to {MAX_METHODS} of them",
    )
    target: tuple[str, ...] = Field(
        default=("top1",),
        min_length=1,
        max_length=MAX_TARGETS,
        description=f"a class name, an index, 'top1', or up to {MAX_TARGETS} of them",
    )
    top_k: int = Field(default=5, ge=1, le=1000, description="how many classes to list")
    output: Output = Field(default=Output.JSON, description="the answer's format")
    stream: bool = Field(default=False, description="true: progress as NDJSON, then the answer")
    polarity: Polarity = Field(
        default="both",
        description="of a signed map the `positive` or the `negative` side, or `both`, as it is",
    )
    evaluate: bool = Field(
        default=False, description="true: measure how faithful each explanation is"
    )
    timeout_s: float | None = Field(
        default=None, gt=0, le=3600, description="seconds after which to give up"
    )
    partial: bool = Field(
        default=False,
        description="true: at the deadline the best map so far, of methods that have one",
    )
    partial_every_s: float | None = Field(
        default=None,
        ge=0.2,
        le=3600,
        description="with `stream`: tell the best map so far, every so many seconds",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed of all randomness")
    priority: int = Field(
        default=0, ge=-3, le=3, description="each step up doubles the job's share"
    )
    frames: int | None = Field(
        default=None, ge=1, le=1024, description="frames of the clip; the model's own by default"
    )
    views: int = Field(
        default=1,
        ge=1,
        le=MAX_VIEWS,
        description=f"windows, 1 to {MAX_VIEWS}, evenly spread, whose scores are averaged",
    )
    timeline: bool = Field(default=False, description="true: classify every second by itself too")
    start_s: float | None = Field(default=None, ge=0, description="where the clip starts, seconds")
    end_s: float | None = Field(default=None, gt=0, description="where the clip ends, seconds")

    @field_validator("target", "method", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        if isinstance(value, str):
            # A form field cannot hold a list, and class names contain commas.
            if value.lstrip().startswith("["):
                value = json.loads(value)
            else:
                return (value,)
        if isinstance(value, int) and not isinstance(value, bool):
            return (str(value),)
        if isinstance(value, list | tuple):
            return tuple(str(item) for item in value)
        return value


def split_options(given: Mapping[str, Any]) -> tuple[Options, dict[str, Any]]:
    """Options, and what is left for the method: its own parameters.

    Raises:
        InvalidParameter: a value out of its range.
        UnknownOutput: no such output format.
    """
    known = {name: value for name, value in given.items() if name in Options.model_fields}
    rest = {name: value for name, value in given.items() if name not in Options.model_fields}
    output = str(known.get("output", Output.JSON.value)).lower()
    allowed = [item.value for item in Output]
    if "output" in known:
        if output not in allowed:
            raise UnknownOutput(
                f"There is no output {output!r}. Allowed: {', '.join(allowed)}.",
                output=output,
                allowed=allowed,
            )
        known["output"] = output
    try:
        return Options.model_validate(known), rest
    except ValidationError as error:
        raise invalid_value(error, Options.model_json_schema()) from None


def check_classifies(options: Options, parameters: Mapping[str, Any]) -> None:
    """Raises InvalidParameter where a request without a method asks for what only methods give."""
    if parameters:
        raise InvalidParameter(
            f"Unknown option {next(iter(parameters))[:80]!r}. Options are "
            f"{', '.join(Options.model_fields)}; a method's own parameters need a `method`.",
            parameter=next(iter(parameters))[:80],
            allowed=list(Options.model_fields),
        )
    for name in OF_EXPLANATIONS:
        if getattr(options, name) != Options.model_fields[name].default:
            raise InvalidParameter(
                f"{name} is about an explanation, and none is asked for: give a `method`, or leave "
                f"{name} out.",
                parameter=name,
                given=options.model_dump(mode="json")[name],
            )


class Prediction(BaseModel):
    """One class and its score."""

    index: int
    label: str
    probability: float
    logit: float


class Array(BaseModel):
    """An array inside JSON: C order, little-endian."""

    shape: tuple[int, ...]
    dtype: str
    base64: str

    @classmethod
    def of(cls, array: np.ndarray[Any, Any]) -> Array:
        """The array, encoded."""
        import numpy as np  # noqa: PLC0415

        little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
        return cls(
            shape=array.shape,
            dtype=array.dtype.name,
            base64=base64.b64encode(little.tobytes()).decode("ascii"),
        )

    def to_bytes(self) -> bytes:
        """Its values, decoded.

        Raises:
            ValueError: that isn't base64.
        """
        return base64.b64decode(self.base64)

    def to_numpy(self) -> np.ndarray[Any, Any]:
        """The array, decoded.

        Raises:
            MissingExtra: numpy is not installed.
            ValueError: the values are not base64, or not of that shape.
        """
        with needs("pictures", "Without them a map can be saved as npz or json."):
            import numpy as np  # noqa: PLC0415
        dtype = np.dtype(self.dtype).newbyteorder("<")
        return np.frombuffer(self.to_bytes(), dtype).reshape(self.shape).astype(self.dtype)


class Explanation(BaseModel):
    """One saliency map, as JSON."""

    method: str
    target: Prediction
    signed: bool
    map: Array
    signed_map: Array | None = Field(
        default=None, description="with both signs, where `map` is the side that was asked for"
    )
    curve: list[float] = Field(description="each frame's share of the saliency; sums to 1")
    peak: tuple[int, int, int] = Field(description="frame, row and column of the maximum")
    diagnostics: dict[str, Any]
    provenance: dict[str, Any]
    faithfulness: dict[str, float | None] | None = Field(
        default=None, description="the measures of `videovisual.faithfulness`, where asked for"
    )

    @classmethod
    def of(
        cls,
        saliency: Saliency,
        method: str,
        target: Prediction,
        faithfulness: dict[str, float | None] | None = None,
    ) -> Explanation:
        """The saliency of `target` under `method`, and how faithful it is."""
        return cls(
            method=method,
            target=target,
            signed=saliency.signed,
            map=Array.of(saliency.map),
            signed_map=None if saliency.signed_map is None else Array.of(saliency.signed_map),
            curve=[round(float(share), 6) for share in saliency.curve()],
            peak=saliency.peak(),
            diagnostics=dict(saliency.diagnostics),
            provenance=dict(saliency.provenance),
            faithfulness=faithfulness,
        )

    def to_saliency(self) -> Saliency:
        """The saliency that this describes.

        Raises:
            MissingExtra, ValueError: as `Array.to_numpy`.
        """
        values = self.map.to_numpy()
        from videovisual.saliency import Saliency  # noqa: PLC0415

        return Saliency(
            map=values,
            signed=self.signed,
            diagnostics=self.diagnostics,
            provenance=self.provenance,
            signed_map=None if self.signed_map is None else self.signed_map.to_numpy(),
        )


class Second(BaseModel):
    """One second of a clip, classified by itself."""

    start_s: float = Field(description="seconds from the clip's first frame")
    end_s: float
    predictions: list[Prediction]


class Answer(BaseModel):
    """What a classification or an explanation answers."""

    model: str
    predictions: list[Prediction] = Field(description="of several windows, of their average")
    timeline: list[Second] = Field(default_factory=list, description="where it was asked for")
    explanations: list[Explanation] = Field(default_factory=list)
    clip: dict[str, Any] = Field(description="which frames of the source were seen")


class ErrorBody(BaseModel):
    """What went wrong, what is allowed, and what to do."""

    code: str
    message: str = Field(description="for a person")
    detail: dict[str, Any] = Field(description="the same facts as data")


class Failure(BaseModel):
    """The one shape in which all errors travel."""

    error: ErrorBody


class Cancellation(BaseModel):
    """What `{"cancel": "<job>"}` is answered."""

    cancelled: bool = Field(description="false: there is no such request")


class AcceptedEvent(BaseModel):
    """A stream's first line."""

    event: Literal["accepted"] = "accepted"
    job: str = Field(description="the request's id, to cancel it by")
    queue: int = Field(description="how many wait up to it; 0: it runs")


class ProgressEvent(BaseModel):
    """How far a method has come with a target."""

    event: Literal["progress"] = "progress"
    step: int
    of: int
    objective: float | None = Field(description="of methods that optimise one")
    probability: float | None = Field(description="the target's in the last pass, where known")
    eta_s: float | None = Field(description="seconds that the method takes yet, where known")
    method: str | None
    target: str | None


class PartialEvent(BaseModel):
    """The best map so far, where `partial_every_s` asks for it."""

    event: Literal["partial"] = "partial"
    method: str | None
    target: str | None
    map: Array
    step: int


class ResultEvent(BaseModel):
    """The answer of `output=json`."""

    event: Literal["result"] = "result"
    answer: Any = Field(description="what there is without a stream")


class FileEvent(BaseModel):
    """The answer of any other output."""

    event: Literal["result"] = "result"
    content_type: str
    base64: str


class ErrorEvent(Failure):
    """Why there is no answer."""

    event: Literal["error"] = "error"
    status: int = Field(description="what the answer would have had without a stream")


class DoneEvent(BaseModel):
    """A stream's last line."""

    event: Literal["done"] = "done"


Event = (
    AcceptedEvent | ProgressEvent | PartialEvent | ResultEvent | FileEvent | ErrorEvent | DoneEvent
)
"""A line of a stream."""
