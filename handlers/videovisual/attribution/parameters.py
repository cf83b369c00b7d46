"""What each method may be told: one schema a method, without torch, for server, client and docs."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Parameters(BaseModel):
    """The parameters of a method that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class GradCamParameters(Parameters):
    """Parameters of `grad_cam`."""

    layer: str | None = Field(
        default=None, description="dotted name of the module to read; the card's `cam_layer`"
    )


class IntegratedGradientsParameters(Parameters):
    """Parameters of `integrated_gradients`."""

    steps: int = Field(
        default=10, ge=1, le=1000, description="points on the path from the baseline to the clip"
    )
    baseline: Literal["black", "grey"] = Field(
        default="black", description="where the path starts: all pixels 0, or all 0.5"
    )
