"""The parameters of each method: schemas for server, client and documents, without torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from math import ceil, prod
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

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

from videovisual.errors import InvalidParameter
from videovisual.utils.text import shown

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_AREAS = 5
MAX_STEPS = 1000
"""The most points on the path of integrated gradients."""

REFINEMENT = 3
"""Factor of the points in a refinement: of three times as many midpoints, every third is old."""

BOXES_PER_SIDE = 4
"""Default boxes along each side of the clip."""

ITERATIONS = {"default": 100, "reference": 2000}
"""The most iterations that a preset makes."""

Shape = tuple[int, int, int]
"""Frames, height and width of the clip that the network takes."""


class Parameters(BaseModel):
    """The parameters of a method that has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    COSTLY: ClassVar[tuple[str, ...]] = ()
    """The parameters that the number of passes depends on."""

    HELD: ClassVar[tuple[float, float]] = (2, 3)
    """Clips that are held at once, and those for each clip of a pass."""

    def passes(self, shape: Shape) -> int:
        """The most clips that the network evaluates for one target."""
        return 1

    def held(self, batch: int) -> float:
        """Memory beside the network's own, in clips [3, T, H, W], at `batch` clips a pass."""
        own, each = self.HELD
        return own + each * batch


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

    COSTLY: ClassVar = ("samples",)
    HELD: ClassVar = (12, 6)

    samples: int = Field(default=25, ge=2, le=1000, description="noisy copies of the clip")
    noise: float = Field(
        default=0.15,
        gt=0,
        le=1,
        description="standard deviation of the noise, as a share of the clip's range of values",
    )
    variant: Literal["mean", "squared", "variance"] = Field(
        default="mean",
        description="statistic of the gradients: mean, squared (SmoothGrad²), variance (VarGrad)",
    )

    def passes(self, shape: Shape) -> int:
        """See `Parameters`."""
        return self.samples


class IntegratedGradientsParameters(Parameters):
    """Parameters of `integrated_gradients`."""

    COSTLY: ClassVar = ("steps", "noise_baselines", "tolerance")
    HELD: ClassVar = (7, 6)

    steps: int = Field(
        default=12,
        ge=1,
        le=MAX_STEPS,
        description="points on the path from the baseline to the clip",
    )
    rule: Literal["midpoint", "gauss_legendre", "left"] = Field(
        default="midpoint", description="quadrature rule: positions and weights of the points"
    )
    baseline: Annotated[
        Literal["black", "grey", "blur", "noise"] | GivenClip, BeforeValidator(_given)
    ] = Field(
        default="black",
        description="start of the path: all pixels 0, all 0.5, the blurred clip, or noise; in "
        "Python also a prepared clip [3, T, H, W]",
    )
    tolerance: float | None = Field(
        default=None,
        ge=1e-4,
        le=1,
        description="largest error as a share of the logit's rise; midpoint rule only: steps are "
        "tripled until the error is within it, up to 1000",
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
        description="number of noise baselines to average over, if the baseline is noise",
    )

    @property
    def paths(self) -> int:
        """The number of baselines."""
        return self.noise_baselines if self.baseline == "noise" else 1

    def passes(self, shape: Shape) -> int:
        """See `Parameters`."""
        steps = self.steps
        while self.tolerance is not None and REFINEMENT * steps <= MAX_STEPS:
            steps *= REFINEMENT
        return self.paths * (steps + 1) + 1


class LayerParameters(Parameters):
    """Parameters of `excitation_backprop` and `linear_approx`."""

    layer: str | None = Field(
        default=None, description="dotted name of the module; default: the card's `cam_layer`"
    )


class GradCamParameters(LayerParameters):
    """Parameters of `grad_cam`."""

    baseline: Literal["none", "grey", "black", "blur"] = Field(
        default="grey",
        description="the activations of this clip are subtracted; none: Grad-CAM as published",
    )

    def passes(self, shape: Shape) -> int:
        """See `Parameters`."""
        return 1 if self.baseline == "none" else 2


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

    COSTLY: ClassVar = ("iterations", "area", "variant")

    area: Annotated[
        tuple[Annotated[float, Field(ge=0.001, le=0.9)], ...], BeforeValidator(_several)
    ] = Field(
        default=(0.1,),
        min_length=1,
        max_length=MAX_AREAS,
        description="share of the clip that the mask shows, from 0.001 to 0.9, or up to "
        f"{MAX_AREAS} areas; the map is then the mean of their masks",
    )
    variant: Literal["preserve", "delete", "dual"] = Field(
        default="preserve",
        description="preserve: show only the inside of the mask and keep the target; delete: hide "
        "only the inside and lose the target; dual: both at once",
    )
    perturbation: Literal["blur", "fade"] = Field(
        default="blur", description="how pixels are hidden: blurred or faded out"
    )
    preset: Literal["default", "reference"] = Field(
        default="default",
        description="settings of the search: the quick default or the published ones",
    )
    iterations: int | None = Field(
        default=None, ge=1, le=10000, description="steps of the search; default: the preset's"
    )
    precision: Literal["auto", "float32"] = Field(
        default="auto",
        description="precision of the network's gradients; auto: bfloat16 if the device supports "
        "it and the gradients agree, else float32; the reference preset uses float32",
    )

    @property
    def masks(self) -> int:
        """The number of masks that the network is shown in an iteration."""
        return len(self.area) * (2 if self.variant == "dual" else 1)

    def passes(self, shape: Shape) -> int:
        """See `Parameters`."""
        return self.masks * ((self.iterations or ITERATIONS[self.preset]) + 2) + 2

    def held(self, batch: int) -> float:
        """See `Parameters`."""
        return 20 + 8 * self.masks + 4 * batch


class OcclusionParameters(Parameters):
    """Parameters of `occlusion`."""

    COSTLY: ClassVar = ("stride", "stride_frames")
    HELD: ClassVar = (4, 3)

    box: int | None = Field(
        default=None, ge=1, description="side of the box in pixels; default: a quarter of the clip"
    )
    box_frames: int | None = Field(
        default=None, ge=1, description="frames of the box; default: a quarter of the clip"
    )
    stride: int | None = Field(
        default=None, ge=1, description="pixels from box to box, at most `box`; default: half of it"
    )
    stride_frames: int | None = Field(
        default=None, ge=1, description="frames from box to box, up to `box_frames`; default: half"
    )
    baseline: Literal["black", "grey", "blur"] = Field(
        default="grey", description="content of the box: black, grey, or the blurred clip"
    )

    def extents(self, shape: Shape) -> list[tuple[int, int]]:
        """The box's side and stride along frames, rows and columns, in frames and pixels.

        Raises:
            InvalidParameter: a stride larger than the box, which would leave pixels out.
        """
        given = {
            "frames": (self.box_frames, self.stride_frames, "stride_frames"),
            "pixels": (self.box, self.stride, "stride"),
        }
        extents = []
        for size, kind in zip(shape, ("frames", "pixels", "pixels"), strict=True):
            box, stride, name = given[kind]
            box = min(size, box or ceil(size / BOXES_PER_SIDE))
            stride = stride or ceil(box / 2)
            if stride > box:
                raise InvalidParameter(
                    f"{name}={shown(stride)} leaves out {kind}: it must be at most the box's size, "
                    f"{box}.",
                    parameter=name,
                    given=shown(stride),
                    allowed={"minimum": 1, "maximum": box},
                )
            extents.append((box, stride))
        return extents

    def starts(self, shape: Shape) -> list[range]:
        """Where boxes start along each axis; the last box is the first that reaches the end.

        Raises:
            InvalidParameter: as `extents`.
        """
        sides = zip(shape, self.extents(shape), strict=True)
        return [range(0, max(0, size - box) + stride, stride) for size, (box, stride) in sides]

    def passes(self, shape: Shape) -> int:
        """See `Parameters`."""
        return 1 + prod(map(len, self.starts(shape)))


class RiseParameters(Parameters):
    """Parameters of `rise`."""

    COSTLY: ClassVar = ("masks",)
    HELD: ClassVar = (10, 4)

    masks: int = Field(default=1000, ge=2, le=20000, description="number of random masks")
    keep: float = Field(default=0.5, gt=0, lt=1, description="probability that a cell is shown")
    cells: int = Field(default=7, ge=2, le=64, description="cells along a side of a mask")
    frame_cells: int = Field(default=4, ge=1, le=64, description="cells along a mask's frames")
    baseline: Literal["black", "grey", "blur"] = Field(
        default="grey", description="content of hidden pixels: black, grey, or the blurred clip"
    )

    def passes(self, shape: Shape) -> int:
        """See `Parameters`."""
        return self.masks


class ContrastiveExcitationBackpropParameters(Parameters):
    """Parameters of `contrastive_excitation_backprop`."""

    layer: str | None = Field(
        default=None,
        description="dotted name of the module; default: the stage before `contrast_layer`",
    )
    contrast_layer: str | None = Field(
        default=None,
        description="dotted name of the module at which the rest is subtracted from the target; "
        "default: the card's `cam_layer`",
    )
