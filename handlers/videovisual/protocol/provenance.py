"""An explanation's provenance, as far as making the map again needs it."""

from typing import Any

from pydantic import BaseModel, Field

from videovisual.utils.polarity import Polarity


class ExplainedClass(BaseModel):
    """The target, by index and name."""

    index: int
    label: str


class Provenance(BaseModel):
    """Where a map comes from. Facts that older versions don't record are None."""

    model: str
    weights_sha256: str | None = None
    labels_sha256: str | None = None
    videovisual: str | None = None
    torch: str | None = None
    method: str
    parameters: dict[str, Any] = Field(default_factory=dict)
    seed: int = 0
    polarity: Polarity = "both"
    target: ExplainedClass
    device: str | None = None
    gpu: str | None = None
    cpu: str | None = None
    threads: int | None = None
    precision: str | None = None
    frame_indices: list[int] = Field(min_length=1)
