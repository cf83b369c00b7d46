"""A job: a request whose answer is fetched later."""

from typing import Literal

from pydantic import BaseModel, Field

from videovisual.protocol.events import ErrorBody, PartialEvent, ProgressEvent

KEY_HEADER = "Idempotency-Key"
"""A request with `job=true` that comes again with the same key is the same job."""

Stage = Literal["waiting", "running", "done", "failed", "cancelled"]


class JobState(BaseModel):
    """How far a job has come."""

    job: str = Field(description="its id")
    model: str
    state: Stage
    queue: int = Field(description="position in the queue; 0 unless the job waits")
    progress: ProgressEvent | None = Field(description="a stream's last `progress`")
    partial: PartialEvent | None = Field(
        description="a stream's last `partial`, while the job runs; with `partial_every_s`"
    )
    error: ErrorBody | None = Field(
        default=None, description="why the job failed, or that it was cancelled"
    )
    status: int | None = Field(
        default=None, description="the HTTP status of the result, once there is one"
    )
    bytes: int | None = Field(default=None, description="the size of the result, once there is one")
    kept_s: float | None = Field(
        default=None,
        description="seconds for which the server still keeps the result, if memory allows",
    )
    address: str | None = Field(
        description="where to `GET` this state and to `DELETE` the job, and under it `/result`; "
        "null on TorchServe, which takes `job_state`, `job_result` and `cancel` at the model's "
        "address"
    )

    @property
    def ended(self) -> bool:
        """Whether there is a result, or an error."""
        return self.state not in ("waiting", "running")
