"""The parameters of the searches for masks; importing this file loads no torch."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from videovisual.attribution.parameters import Parameters, Shape
from videovisual.attribution.perturbation.preset import CHECKS, STEADIER, random_of

MAX_AREAS = 5

ITERATIONS = {"default": 100, "quick": 100, "averaged": 180, "reference": 2000}
"""The most iterations that a preset makes."""


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
    """Parameters of `ep_3d`, and of any search for masks."""

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
    preset: Literal["default", "quick", "averaged", "reference"] = Field(
        default="default",
        description="default: the worth of pixels averaged over ways of hiding, and a descent "
        "as far as it agrees with random masks; quick: the descent alone; averaged: that worth "
        "alone; reference: the published settings",
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
        iterations = self.iterations or ITERATIONS[self.preset]
        return self.masks * (iterations + 2) + 2 + self._more_passes(iterations)

    def _more_passes(self, iterations: int) -> int:
        """Passes of the default beside its descent: random masks, which all areas share, the
        averaged search and its restarts, a check of the map and of the map blurred; and in each
        the clip shown and hidden.
        """
        if self.preset != "default":
            return 0
        random = random_of(iterations) * self.masks // len(self.area)
        averaged = (STEADIER.passes_of(iterations) + 2) * self.masks
        return random + averaged + 2 * CHECKS * self.masks + 4 * 2

    def held(self, batch: int) -> float:
        """See `Parameters`."""
        shared = self._restarts * len(self.area)
        return max(20 + 8 * self.masks, 16 + 5.6 * shared) + 4 * batch

    @property
    def _restarts(self) -> int:
        """The searches of each area that share a pass."""
        return STEADIER.restarts if self.preset == "default" else 1


class DescentParameters(PerturbationParameters):
    """Parameters of `ep_2d` and `step`, whose default is a descent alone."""

    preset: Literal["default", "quick", "reference"] = Field(
        default="default",
        description="default, quick: a short descent; reference: the published settings",
    )

    def _more_passes(self, iterations: int) -> int:
        return 0

    @property
    def _restarts(self) -> int:
        return 1
