"""The parameters of each method: schemas for server, client and documents, without torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    PlainSerializer,
)
from pydantic.json_schema import SkipJsonSchema
from pydantic_core.core_schema import is_instance_schema

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_AREAS = 5


class Parameters(BaseModel):
    """The parameters of a method that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Given:
    """A baseline given by the caller: float32 [3, T, H, W] in the model's space."""

    clip: npt.NDArray[np.float32]

    def describe(self) -> str:
        """Its name in a provenance: `sha256:` and the digest of its values' bytes."""
        return f"sha256:{hashlib.sha256(self.clip.tobytes()).hexdigest()}"


def _given(value: Any) -> Any:
    """Convert an array or a tensor, which only a caller in Python can pass, to `Given`."""
    if hasattr(value, "__array__"):
        import numpy as np  # noqa: PLC0415

        value = value.cpu() if hasattr(value, "cpu") else value
        return Given(np.asarray(value, dtype=np.float32))
    return value


GivenClip = SkipJsonSchema[
    Annotated[
        Given,
        # Without this, pydantic would inspect the field's type, and import numpy for that.
        GetPydanticSchema(lambda _source, _handler: is_instance_schema(Given)),
        PlainSerializer(Given.describe, return_type=str),
    ]
]


class SmoothGradParameters(Parameters):
    """Parameters of `smooth_grad`."""

    samples: int = Field(default=25, ge=2, le=1000, description="noisy copies of the clip")
    noise: float = Field(
        default=0.15,
        gt=0,
        le=1,
        description="standard deviation of the noise, as a share of the clip's range of values",
    )
    variant: Literal["mean", "squared", "variance"] = Field(
        default="mean",
        description="what is kept of the samples' gradients: their mean, the mean of their "
        "squares (SmoothGrad²), or their variance (VarGrad)",
    )


class IntegratedGradientsParameters(Parameters):
    """Parameters of `integrated_gradients`."""

    steps: int = Field(
        default=12, ge=1, le=1000, description="points on the path from the baseline to the clip"
    )
    rule: Literal["midpoint", "gauss_legendre", "left"] = Field(
        default="midpoint", description="where on the path the points lie, and their weights"
    )
    baseline: Annotated[
        Literal["black", "grey", "blur", "noise"] | GivenClip, BeforeValidator(_given)
    ] = Field(
        default="black",
        description="where the path starts: all pixels 0, all 0.5, the clip without its detail, "
        "or noise; in Python also a prepared clip [3, T, H, W]",
    )
    tolerance: float | None = Field(
        default=None,
        ge=1e-4,
        le=1,
        description="the share of the logit's rise by which the rule may miss it: with the "
        "midpoint rule, the steps are made three times as many until it doesn't, up to 1000",
    )
    complete: bool = Field(
        default=True,
        description="adjust the points' weights, as little as possible, so that the map sums to "
        "the logit's rise",
    )
    noise_baselines: int = Field(
        default=4,
        ge=1,
        le=64,
        description="paths from as many different noises, averaged, where the baseline is noise",
    )


class LayerParameters(Parameters):
    """Parameters of `grad_cam`, `excitation_backprop` and `linear_approx`."""

    layer: str | None = Field(
        default=None, description="dotted name of the module to read; the card's `cam_layer`"
    )


def _several(value: Any) -> Any:
    """Convert a text, `0.1`, `0.05,0.1` or `[0.05, 0.1]`, or a single number to a list."""
    if isinstance(value, str):
        text = value.strip()
        try:
            return json.loads(text if text.startswith("[") else f"[{text}]")
        except json.JSONDecodeError:
            return [value]
    if isinstance(value, int | float):
        return [value]
    return value


class PerturbationParameters(Parameters):
    """Parameters of `ep_2d`, `ep_3d` and `step`."""

    area: Annotated[
        tuple[Annotated[float, Field(ge=0.001, le=0.9)], ...], BeforeValidator(_several)
    ] = Field(
        default=(0.1,),
        min_length=1,
        max_length=MAX_AREAS,
        description="the share of the clip that the mask may show, from 0.001 to 0.9, or up to "
        f"{MAX_AREAS} areas; the map is then the mean of their masks",
    )
    variant: Literal["preserve", "delete", "dual"] = Field(
        default="preserve",
        description="show only the mask's inside and keep the target, hide only its inside and "
        "lose the target, or both at once",
    )
    perturbation: Literal["blur", "fade"] = Field(
        default="blur", description="what hides a pixel: blurring it, or fading it out"
    )
    preset: Literal["default", "reference"] = Field(
        default="default",
        description="how the mask is sought: as quickly as we can, or with published settings",
    )
    iterations: int | None = Field(
        default=None, ge=1, le=10000, description="steps of the search; the preset's own"
    )
    precision: Literal["auto", "float32"] = Field(
        default="auto",
        description="of the network's gradients: bfloat16 where the device has units for it and "
        "the model's gradients stay alike, or float32; the reference preset's are float32",
    )


class OcclusionParameters(Parameters):
    """Parameters of `occlusion`."""

    box: int | None = Field(
        default=None, ge=1, description="side of the box in pixels; a quarter of the clip's"
    )
    box_frames: int | None = Field(
        default=None, ge=1, description="frames of the box; a quarter of the clip's"
    )
    stride: int | None = Field(
        default=None, ge=1, description="pixels from box to box, at most its side; half of it"
    )
    stride_frames: int | None = Field(
        default=None, ge=1, description="frames from box to box, at most its own; half of them"
    )
    baseline: Literal["black", "grey", "blur"] = Field(
        default="grey", description="what the box shows: black, grey, or the clip without detail"
    )


class RiseParameters(Parameters):
    """Parameters of `rise`."""

    masks: int = Field(default=1000, ge=2, le=20000, description="random masks")
    keep: float = Field(
        default=0.5, gt=0, lt=1, description="probability of a cell of a mask to be shown"
    )
    cells: int = Field(default=7, ge=2, le=64, description="cells along a side of a mask")
    frame_cells: int = Field(default=4, ge=1, le=64, description="cells along a mask's time")
    baseline: Literal["black", "grey", "blur"] = Field(
        default="grey", description="what is seen where a mask hides the clip"
    )


class ContrastiveExcitationBackpropParameters(Parameters):
    """Parameters of `contrastive_excitation_backprop`."""

    layer: str | None = Field(
        default=None,
        description="dotted name of the module to read; the stage before `contrast_layer`",
    )
    contrast_layer: str | None = Field(
        default=None,
        description="dotted name of the module where target and rest part; the card's `cam_layer`",
    )
