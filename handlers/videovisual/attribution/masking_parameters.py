"""The parameters of methods that hide parts of a clip and look at the scores alone."""

from __future__ import annotations

from math import ceil, prod
from typing import ClassVar, Literal

from pydantic import Field

from videovisual.attribution.parameters import Parameters, Shape
from videovisual.errors import InvalidParameter
from videovisual.utils.text import shown

BOXES_PER_SIDE = 4
"""Default boxes along each side of the clip."""

EXACT = 10
"""The most segments of `frame_shapley` of which all coalitions are evaluated."""


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


class LimeParameters(Parameters):
    """Parameters of `lime`."""

    COSTLY: ClassVar = ("samples",)
    HELD: ClassVar = (12, 4)

    samples: int = Field(
        default=500, ge=10, le=5000, description="clips with random superpixels, the whole among"
    )
    superpixels: Literal["grid", "colour"] = Field(
        default="grid",
        description="grid: boxes of equal size; colour: regions of similar colour, as SLIC makes",
    )
    cells: int = Field(default=6, ge=1, le=7, description="superpixels along each side")
    frame_cells: int = Field(default=4, ge=1, le=8, description="superpixels along the frames")
    kernel: float = Field(
        default=0.25,
        gt=0,
        le=100,
        description="width of the kernel: samples whose cosine distance from the whole clip is "
        "larger count little",
    )
    ridge: float = Field(
        default=1.0, ge=1e-6, le=1e6, description="penalty of the squared coefficients"
    )
    baseline: Literal["black", "grey", "blur"] = Field(
        default="grey", description="content of hidden pixels: black, grey, or the blurred clip"
    )

    def passes(self, shape: Shape) -> int:
        """See `Parameters`."""
        return self.samples


class FrameShapleyParameters(Parameters):
    """Parameters of `frame_shapley`."""

    COSTLY: ClassVar = ("segments", "permutations")
    HELD: ClassVar = (4, 3)

    segments: int = Field(
        default=8,
        ge=2,
        le=64,
        description="moments that the clip's frames are divided into, at most one a frame; up to "
        f"{EXACT} of them have exact shares",
    )
    permutations: int = Field(
        default=32,
        ge=4,
        le=2000,
        multiple_of=2,
        description="random orders of more segments, half of them the reverse of the others",
    )
    baseline: Literal["neighbour", "mean", "blur", "grey", "black"] = Field(
        default="neighbour",
        description="content of a hidden moment: the nearest frames that are shown, the clip's "
        "mean frame, its own blurred frames, grey or black",
    )

    def players(self, frames: int) -> int:
        """The number of segments of a clip of so many frames."""
        return min(self.segments, frames)

    def passes(self, shape: Shape) -> int:
        """See `Parameters`."""
        players = self.players(shape[0])
        return 2**players if players <= EXACT else self.permutations * (players - 1) + 2
