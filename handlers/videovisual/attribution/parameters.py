"""The parameters of methods that take gradients: schemas for server, client and documents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, GetPydanticSchema, PlainSerializer
from pydantic.json_schema import SkipJsonSchema
from pydantic_core.core_schema import is_instance_schema

from videovisual.utils.validation import PlainNumbers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

MAX_STEPS = 1000
"""The most points on the path of integrated gradients."""

REFINEMENT = 3
"""Factor of the points in a refinement: of three times as many midpoints, every third is old."""

Shape = tuple[int, int, int]
"""Frames, height and width of the clip that the network takes."""


class Parameters(PlainNumbers):
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
