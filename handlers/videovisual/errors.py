"""Every error that VideoVisual raises on purpose.

A message says what was wrong, what is allowed, and what to do. `detail` holds the same facts
as data, ready for JSON.
"""

from typing import Any, ClassVar


class VideoVisualError(Exception):
    """The base class: `message` for people, `code` and `detail` for programs, `status` for HTTP.

    Attributes:
        trace: of an error that wraps a foreign one, its traceback as `file:line function` each.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init_subclass__(cls, *, code: str, status: int | None = None) -> None:
        super().__init_subclass__()
        cls.code = code
        cls.status = cls.status if status is None else status

    def __init__(self, message: str, **detail: Any) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.trace: list[str] = []

    def as_json(self) -> dict[str, Any]:
        """The JSON of an error reply: `{"error": {"code", "message", "detail"}}`."""
        return {"error": {"code": self.code, "message": self.message, "detail": self.detail}}


class InvalidRequest(VideoVisualError, code="invalid_request", status=400):
    """The request cannot be read: no clip, two clips, broken JSON or base64."""


class UploadStalled(InvalidRequest, code="upload_stalled", status=408):
    """The rest of the request did not arrive in time."""


class AuthenticationFailed(VideoVisualError, code="authentication_failed", status=401):
    """The token is missing, wrong or expired."""


class MalformedClip(InvalidRequest, code="malformed_clip"):
    """The bytes are of a known format, but damaged or dangerous."""


class UnsupportedMedia(VideoVisualError, code="unsupported_media", status=415):
    """The bytes are not of any format that can be read as a clip."""


class TooLarge(VideoVisualError, code="too_large", status=413):
    """A limit on bytes, pixels, frames or seconds is exceeded."""


class InvalidParameter(VideoVisualError, code="invalid_parameter", status=422):
    """A value that is not allowed; the message says which are."""


class ClipTooShort(InvalidParameter, code="clip_too_short"):
    """The clip has fewer frames than the model needs."""


class InvalidTarget(InvalidParameter, code="invalid_target"):
    """The target is not one of the model's classes."""


class UnknownMethod(InvalidParameter, code="unknown_method"):
    """No attribution method has that name."""


class UnsuitableMethod(InvalidParameter, code="unsuitable_method"):
    """The method can't explain this model: its network lacks what the method reads."""


class UnknownOutput(InvalidParameter, code="unknown_output"):
    """No output format has that name."""


class UnknownModel(VideoVisualError, code="unknown_model", status=404):
    """No model has that name."""


class UnknownJob(VideoVisualError, code="unknown_job", status=404):
    """No job has that id."""


class JobDropped(UnknownJob, code="job_dropped", status=410):
    """The result of the job is no longer kept."""


class JobNotDone(InvalidRequest, code="job_not_done", status=409):
    """The job has no result yet."""


class MissingExtra(VideoVisualError, code="missing_extra", status=501):
    """The method needs an optional dependency that is not installed."""


class Overloaded(VideoVisualError, code="overloaded", status=503):
    """The server has no room for another job; `detail["retry_after_s"]` says when to try again."""

    @property
    def retry_after(self) -> float:
        """Seconds after which to try again."""
        return float(self.detail.get("retry_after_s", 0))


class DeadlineExceeded(VideoVisualError, code="deadline_exceeded", status=504):
    """The request's `timeout_s` passed before the answer was ready."""


class Cancelled(VideoVisualError, code="cancelled", status=499):
    """The job was cancelled before it was done."""


class NotFinite(VideoVisualError, code="not_finite"):
    """The network's scores, or a map, contain NaN or infinity, so there is no answer."""


class ScoresError(VideoVisualError, code="scores_failed", status=502):
    """The function or the ONNX model that gives a classifier's scores failed."""


class PredictorError(ScoresError, code="predictor_failed"):
    """The server that gives a classifier's scores refused, or answered with other than scores."""


class PredictorUnreachable(PredictorError, code="predictor_unreachable"):
    """The server that gives a classifier's scores took no connection, or stayed busy."""


class PredictorTimeout(PredictorError, code="predictor_timeout", status=504):
    """The server that gives a classifier's scores didn't answer in time."""


class WeightsError(VideoVisualError, code="invalid_weights"):
    """A checkpoint that fails its checksum, holds something else than tensors, or doesn't fit."""


class DownloadError(VideoVisualError, code="download_failed", status=502):
    """A file that its source refuses, cuts off, or doesn't have."""


class MissingFile(DownloadError, code="missing_file", status=404):
    """A path that names no file."""


class NetworkSettingsError(VideoVisualError, code="network_settings"):
    """An environment variable about proxies or certificates that can't be used."""


class InvalidEvidence(VideoVisualError, code="invalid_evidence"):
    """An evidence record that is damaged, was changed, or is none."""


class WriteError(VideoVisualError, code="write_failed"):
    """A file that can't be written; nothing of it is left."""
