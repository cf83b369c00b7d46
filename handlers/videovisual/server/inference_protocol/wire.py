"""The JSON of version 2, as it travels."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_DIMENSIONS = 8
MAX_LENGTH = 2**31
"""Of one dimension; no tensor that fits into a request comes near it."""

MAX_MEMBERS = 100
"""Of an object or list, `data` aside: every further one would be an error of its own."""

Shape = Annotated[
    list[Annotated[int, Field(ge=1, le=MAX_LENGTH)]], Field(min_length=1, max_length=MAX_DIMENSIONS)
]
Parameters = (
    Annotated[dict[str, str | bool | int | float | None], Field(max_length=MAX_MEMBERS)] | None
)


class _Given(BaseModel):
    """Part of a request. What is misspelt is refused, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @model_validator(mode="before")
    @classmethod
    def _has_few_members(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and len(data) > MAX_MEMBERS:
            raise ValueError(f"an object of {len(data)} members")
        return data


class InputTensor(_Given):
    """A tensor of a request, with its values in `data`, or after the JSON."""

    name: str
    shape: Shape
    datatype: str
    parameters: Parameters = Field(
        default=None, description="`binary_data_size`: bytes of the values, after the JSON"
    )
    data: Any = Field(default=None, description="the values, nested or flat, in C order")


class RequestedOutput(_Given):
    """A tensor that is asked for."""

    name: str
    parameters: Parameters = Field(
        default=None, description="`binary_data`: whether its values come after the JSON"
    )


class InferRequest(_Given):
    """The JSON of a request."""

    id: str | None = Field(default=None, max_length=1000, description="comes back in the answer")
    inputs: list[InputTensor] = Field(min_length=1, max_length=MAX_MEMBERS)
    outputs: list[RequestedOutput] | None = Field(
        default=None,
        max_length=MAX_MEMBERS,
        description="what is answered; everything but `answer` unless given",
    )
    parameters: Parameters = Field(
        default=None,
        description="options by name; and `binary_data_output`: whether all values come after the "
        "JSON",
    )
    model_name: Any = Field(default=None, description="ignored: the path has it")
    model_version: Any = Field(default=None, description="ignored: the path has it")


class OutputTensor(BaseModel):
    """A tensor of an answer."""

    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, int] | None = Field(
        default=None, description="`binary_data_size`: bytes of the values, after the JSON"
    )
    data: list[float | str] | None = Field(default=None, description="the values, in C order")


class InferResponse(BaseModel):
    """The JSON of an answer."""

    model_name: str
    model_version: str
    id: str | None = Field(default=None, description="the request's")
    outputs: list[OutputTensor]


class InferFailure(BaseModel):
    """An error of version 2, with what other routes say of it beside it."""

    error: str = Field(description="what was wrong, what is allowed, what to do")
    code: str
    detail: dict[str, Any] = Field(description="the facts of the message as data")


class TensorMetadata(BaseModel):
    """A tensor that a model takes or gives; -1 stands for any length."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ServerMetadata(BaseModel):
    """The server, and what it can beside the protocol's own."""

    name: str
    version: str
    extensions: list[str]


class ServerReady(BaseModel):
    """The specification says `live`; KServe's client reads `ready`."""

    live: bool
    ready: bool


class ModelReady(BaseModel):
    """Whether a model is ready."""

    name: str
    ready: bool


class ModelList(BaseModel):
    """The names of all models, of version 1."""

    models: list[str]


class Alive(BaseModel):
    """The server is up, of version 1."""

    status: str = "alive"
