"""Errors, cancellations, and the lines of a stream."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from videovisual.protocol.answers import Array


class ErrorBody(BaseModel):
    """What went wrong, what is allowed, and what to do."""

    code: str
    message: str = Field(description="what was wrong, what is allowed, what to do")
    detail: dict[str, Any] = Field(description="the facts of the message as data")


class Failure(BaseModel):
    """The one shape in which all errors travel."""

    error: ErrorBody


class Cancellation(BaseModel):
    """What `{"cancel": "<job>"}` is answered."""

    cancelled: bool = Field(description="false: there is no such request")


class AcceptedEvent(BaseModel):
    """A stream's first line."""

    event: Literal["accepted"] = "accepted"
    job: str = Field(description="the request's id, for cancelling")
    queue: int = Field(description="position in the queue; 0: running")


class ProgressEvent(BaseModel):
    """How far a method has come with a target."""

    event: Literal["progress"] = "progress"
    step: int
    of: int
    objective: float | None = Field(description="current value, for methods that optimise one")
    probability: float | None = Field(
        description="the target's probability in the last pass, if known"
    )
    eta_s: float | None = Field(description="estimated remaining seconds of the method, if known")
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
    answer: Any = Field(description="the answer, as without a stream")


class FileEvent(BaseModel):
    """The answer of any other output."""

    event: Literal["result"] = "result"
    content_type: str
    base64: str


class ErrorEvent(Failure):
    """Why there is no answer."""

    event: Literal["error"] = "error"
    status: int = Field(description="the HTTP status, as without a stream")


class DoneEvent(BaseModel):
    """A stream's last line."""

    event: Literal["done"] = "done"


Event = (
    AcceptedEvent | ProgressEvent | PartialEvent | ResultEvent | FileEvent | ErrorEvent | DoneEvent
)
"""A line of a stream."""
