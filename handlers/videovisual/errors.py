"""Every error that VideoVisual raises on purpose.

    VideoVisualError                 500  internal
    ├── InvalidRequest               400  invalid_request      the request cannot be read
    │   └── MalformedClip            400  malformed_clip       a video, but broken
    ├── UnsupportedMedia             415  unsupported_media    not a video at all
    ├── TooLarge                     413  too_large            over a limit, not even read
    ├── InvalidParameter             422  invalid_parameter    a value out of its range
    │   ├── ClipTooShort             422  clip_too_short
    │   ├── InvalidTarget            422  invalid_target
    │   ├── UnknownMethod            422  unknown_method
    │   └── UnknownOutput            422  unknown_output
    ├── UnknownModel                 404  unknown_model
    ├── MissingExtra                 501  missing_extra        an optional package is absent
    ├── Overloaded                   503  overloaded
    ├── DeadlineExceeded             504  deadline_exceeded
    ├── Cancelled                    499  cancelled
    ├── WeightsError                 500  invalid_weights      a checkpoint that doesn't fit
    └── DownloadError                502  download_failed      weights or labels out of reach

A message says what was wrong, what is allowed, and what to do. `detail` holds the same facts
as data, ready for JSON.
"""

from __future__ import annotations

from typing import Any, ClassVar


class VideoVisualError(Exception):
    """The root: a message for a person, `code` and `detail` for a program, `status` for HTTP.

    Attributes:
        trace: where another's failure that it stands for came from, `file:line function` each.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, message: str, **detail: Any) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.trace: list[str] = []

    def as_json(self) -> dict[str, Any]:
        """The one shape in which an error travels: `{"error": {"code", "message", "detail"}}`."""
        return {"error": {"code": self.code, "message": self.message, "detail": self.detail}}


class InvalidRequest(VideoVisualError):
    """The request cannot be read: no clip, two clips, broken JSON or base64."""

    code = "invalid_request"
    status = 400


class MalformedClip(InvalidRequest):
    """The bytes are of a known format, but damaged or dangerous."""

    code = "malformed_clip"


class UnsupportedMedia(VideoVisualError):
    """The bytes are not of any format that can be read as a clip."""

    code = "unsupported_media"
    status = 415


class TooLarge(VideoVisualError):
    """A limit on bytes, pixels, frames or seconds is exceeded."""

    code = "too_large"
    status = 413


class InvalidParameter(VideoVisualError):
    """A value that is not allowed; the message says which are."""

    code = "invalid_parameter"
    status = 422


class ClipTooShort(InvalidParameter):
    """The clip has fewer frames than the model needs."""

    code = "clip_too_short"


class InvalidTarget(InvalidParameter):
    """The target is not one of the model's classes."""

    code = "invalid_target"


class UnknownMethod(InvalidParameter):
    """No attribution method has that name."""

    code = "unknown_method"


class UnknownOutput(InvalidParameter):
    """No output format has that name."""

    code = "unknown_output"


class UnknownModel(VideoVisualError):
    """No model has that name."""

    code = "unknown_model"
    status = 404


class MissingExtra(VideoVisualError):
    """The method needs an optional dependency that is not installed."""

    code = "missing_extra"
    status = 501


class Overloaded(VideoVisualError):
    """The server has no room for another job; `detail["retry_after_s"]` says when to try again."""

    code = "overloaded"
    status = 503

    @property
    def retry_after(self) -> float:
        """Seconds after which to try again."""
        return float(self.detail.get("retry_after_s", 0))


class DeadlineExceeded(VideoVisualError):
    """The request's `timeout_s` passed before the answer was ready."""

    code = "deadline_exceeded"
    status = 504


class Cancelled(VideoVisualError):
    """The job was cancelled before it was done."""

    code = "cancelled"
    status = 499


class WeightsError(VideoVisualError):
    """A checkpoint that fails its checksum, holds something else than tensors, or doesn't fit."""

    code = "invalid_weights"


class DownloadError(VideoVisualError):
    """A file that its source refuses, cuts off, or doesn't have."""

    code = "download_failed"
    status = 502
