"""What a request may ask for, beside its clip and the method's own parameters."""

import json
import operator
from collections.abc import Mapping
from contextlib import suppress
from enum import Enum
from typing import Any, Literal

from pydantic import ConfigDict, Field, StrictInt, StrictStr, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from videovisual.errors import InvalidParameter, UnknownOutput
from videovisual.utils.polarity import Polarity
from videovisual.utils.suggest import did_you_mean
from videovisual.utils.text import shown
from videovisual.utils.validation import PlainNumbers, invalid_value

HEADER_PREFIX = "x-videovisual-"
"""Options beside a raw body travel as headers of this prefix, `_` written as `-`."""

MAX_TARGETS = 8
MAX_METHODS = 8
MAX_VIEWS = 30

OF_EXPLANATIONS = (
    "output",
    "evaluate",
    "stability",
    "polarity",
    "target",
    "partial",
    "partial_every_s",
    "window",
)
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


class Options(PlainNumbers):
    """What a request may ask for, beside the clip and the method's own parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    method: tuple[str, ...] = Field(
        default=(),
        max_length=MAX_METHODS,
        description=f"an attribution method's name, or up to {MAX_METHODS} of them",
    )
    target: tuple[StrictStr | StrictInt, ...] = Field(
        default=("top1",),
        min_length=1,
        max_length=MAX_TARGETS,
        description=f"a class name, an index (a number), 'top1', or up to {MAX_TARGETS} of them",
    )
    top_k: int = Field(default=5, ge=1, le=1000, description="how many classes to list")
    output: Output = Field(default=Output.JSON, description="the answer's format")
    stream: bool = Field(default=False, description="true: progress as NDJSON, then the answer")
    job: bool = Field(
        default=False, description="true: 202 at once; state and answer are fetched later"
    )
    polarity: Polarity = Field(
        default="both",
        description="the `positive` or the `negative` side of a signed map, or `both`",
    )
    evaluate: bool = Field(
        default=False,
        description="true: measure how faithful each explanation is, in 107 passes more",
    )
    stability: bool = Field(
        default=False,
        description="true: run each method four times more, on inputs that look the same, and "
        "measure how alike the maps are",
    )
    timeout_s: float | None = Field(default=None, gt=0, le=3600, description="deadline in seconds")
    partial: bool = Field(
        default=False,
        description="true: at the deadline return the best map so far, for methods that have one",
    )
    partial_every_s: float | None = Field(
        default=None,
        ge=0.2,
        le=3600,
        description="with `stream` or `job`: tell the best map so far at this interval, in seconds",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed of all randomness")
    priority: int = Field(
        default=0, ge=-3, le=3, description="each step up doubles the job's share of computing time"
    )
    frames: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="number of frames in the model's input; the model's own by default",
    )
    window: Literal["centre", "best"] = Field(
        default="centre",
        description="which part of a longer clip is explained: its centre, or of up to 10 windows "
        "spread over it the one in which the target is most likely",
    )
    views: int = Field(
        default=1,
        ge=1,
        le=MAX_VIEWS,
        description=f"number of evenly spaced windows, 1 to {MAX_VIEWS}, whose scores are averaged",
    )
    timeline: bool = Field(default=False, description="true: also classify every second separately")
    start_s: float | None = Field(default=None, ge=0, description="start of the clip, in seconds")
    end_s: float | None = Field(default=None, gt=0, description="end of the clip, in seconds")
    as_shown: bool = Field(
        default=True,
        description="frames as a player shows them: cropped, of square pixels, upright, high "
        "dynamic range mapped to standard; false: the stored pixels",
    )

    @field_validator("method", mode="before")
    @classmethod
    def _methods(cls, value: Any) -> Any:
        return names_in(value) if isinstance(value, str) else value

    @field_validator("target", mode="before")
    @classmethod
    def _targets(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = names_in(value)
        return [_target(one) for one in (value if isinstance(value, list | tuple) else [value])]


def names_in(text: str) -> tuple[str | int, ...]:
    """The names and indices in a form field, a header or an argument of the command.

    A JSON list of names (strings) and indices (whole numbers) is that list. Everything else is one
    name, whose commas and brackets are its own.
    """
    if text.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            names = json.loads(text)
            if names and all(type(name) in (str, int) for name in names):
                return tuple(names)
    return (text,)


def _target(value: Any) -> str | int:
    if isinstance(value, str):
        return value
    # Numpy's integers count; bool does not, though it is an int.
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise PydanticCustomError("target", "a target is a name, or an index, a whole number")
    return operator.index(value)


def split_options(given: Mapping[str, Any]) -> tuple[Options, dict[str, Any]]:
    """Options, and what is left for the method: its own parameters.

    Raises:
        InvalidParameter: a value out of its range.
        UnknownOutput: no such output format.
    """
    known = {name: value for name, value in given.items() if name in Options.model_fields}
    rest = {name: value for name, value in given.items() if name not in Options.model_fields}
    allowed = [item.value for item in Output]
    if "output" in known:
        output = known["output"] = str(known["output"]).lower()
        if output not in allowed:
            raise UnknownOutput(
                f"There is no output {shown(output)!r}. Allowed: {', '.join(allowed)}.",
                output=shown(output),
                allowed=allowed,
            )
    try:
        return Options.model_validate(known), rest
    except ValidationError as error:
        raise invalid_value(error, Options.model_json_schema()) from None


def check_classifies(options: Options, parameters: Mapping[str, Any]) -> None:
    """Raises InvalidParameter where a request without a method asks for what only methods give."""
    if parameters:
        name = next(iter(parameters))
        raise InvalidParameter(
            f"Unknown option {shown(name)!r}.{did_you_mean(name, Options.model_fields)} Options "
            f"are {', '.join(Options.model_fields)}; a method's own parameters need a `method`.",
            parameter=shown(name),
            allowed=list(Options.model_fields),
        )
    for name in OF_EXPLANATIONS:
        if getattr(options, name) != Options.model_fields[name].default:
            raise InvalidParameter(
                f"{name} is about an explanation, and none is asked for: give a `method`, or leave "
                f"{name} out.",
                parameter=name,
                given=shown(options.model_dump(mode="json")[name]),
            )
