"""How a search hides pixels: what stands in their place, and how the edge is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case
from videovisual.attribution.perturbation.area import cut, pixel_count
from videovisual.attribution.perturbation.cells import Cells

EDGES = (0.0, 0.2, 0.0, 0.5, 0.1)
"""Widths of a mask's edge as multiples of the card's blur: hard and up to 10 of 224 pixels."""

SOFT_EDGES = (0.5, 0.2, 0.5, 0.35, 0.5)
"""Widths without a hard edge, which is an object of its own to a network."""

STRONG = 2.0
"""The strongest blur as a multiple of the card's."""

BLOTCHES = 7
"""Cells of a random mask along the height of a frame."""

BLOTCH_FRAMES = 4
"""Frames of a cell of a random mask."""

SEED = 0

LEAST_SHOWN = 0.3
"""The least share of the clip that a random mask shows."""


@dataclass(frozen=True)
class Way:
    """One way of hiding.

    Attributes:
        fill: in the place of hidden pixels, float32 [3, T, H, W].
        width: standard deviation of the edge, in pixels.
    """

    fill: torch.Tensor
    width: float

    def clips(self, clip: torch.Tensor, shown: torch.Tensor) -> torch.Tensor:
        """The clip where masks [A, T, H, W] are 1, the fill where they are 0: [A, 3, T, H, W]."""
        return torch.lerp(self.fill, clip, feather(shown, self.width)[:, None])


class Ways:
    """Cycles through all pairs of a fill and an edge.

    Args:
        case: the clip.
        perturbation: `blur`: the clip blurred, also more strongly; the frames a quarter of a clip
            earlier, blurred; and the middle of the model's space. `fade`: the latter alone.
        edges: widths as multiples of the card's blur.
    """

    def __init__(self, case: Case, perturbation: str, edges: Sequence[float] = EDGES) -> None:
        clip, self._sigma, self._edges = case.clip, case.card.blur_sigma, edges
        self._fills = [torch.zeros_like(clip)]
        if perturbation == "blur":
            earlier = clip.roll(max(1, clip.shape[1] // 4), dims=1)
            self._fills = [
                blur(clip, self._sigma),
                blur(earlier, self._sigma),
                blur(clip, STRONG * self._sigma),
                *self._fills,
            ]

    def __getitem__(self, iteration: int) -> Way:
        fill = self._fills[iteration % len(self._fills)]
        return Way(fill, self._edges[iteration % len(self._edges)] * self._sigma)


class Blotches:
    """Masks of smooth blotches, random but the same in every search, whatever its seed.

    Args:
        case: the clip's shape and device.
    """

    def __init__(self, case: Case) -> None:
        shape: tuple[int, int, int] = tuple(case.clip.shape[1:])  # type: ignore[assignment]
        self._cells = Cells(shape, BLOTCHES, BLOTCH_FRAMES, case.clip.device)
        self._generator = torch.Generator().manual_seed(SEED)

    def draw(self, device: torch.device) -> torch.Tensor:
        """A mask that shows from `LEAST_SHOWN` to all of the clip: float32 [1, T, H, W]."""
        noise = torch.randn(1, *self._cells.shape, generator=self._generator)
        share = torch.rand((), generator=self._generator).item()
        field = self._cells.enlarge(noise.to(device))
        return cut_to(field, [LEAST_SHOWN + (1 - LEAST_SHOWN) * share])


def cut_to(fields: torch.Tensor, areas: list[float]) -> torch.Tensor:
    """1 on exactly each area's share of the largest values of [A, T, H, W], 0 elsewhere."""
    rows = fields.flatten(1)
    counts = torch.tensor([pixel_count(area, rows.shape[1]) for area in areas])
    return cut(rows, counts).view_as(fields)


def ramp_to(fields: torch.Tensor, areas: list[float], width: float) -> torch.Tensor:
    """Masks around each area's share of the largest values, whose edge is a ramp by rank.

    A hard cut flips whole pixels where the values change by next to nothing, and behind the other
    mask a rough network has another gradient.

    Args:
        fields: float32 [A, T, H, W].
        areas: of each field.
        width: of the ramp, in the logarithm of the rank.

    Returns:
        float32 [A, T, H, W]: where the share q of the values is higher, 1/2 + log(area / q) / width
        within 0 and 1.
    """
    rows = fields.flatten(1)
    order = rows.argsort(dim=1, descending=True, stable=True)
    places = torch.arange(1, rows.shape[1] + 1, device=rows.device, dtype=rows.dtype)
    shares = rows.new_tensor(areas)[:, None] * rows.shape[1] / places
    heights = (0.5 + shares.log() / width).clamp(0, 1)
    return torch.empty_like(rows).scatter_(1, order, heights).view_as(fields)


def feather(masks: torch.Tensor, width: float) -> torch.Tensor:
    """Masks [A, T, H, W] with their edges blurred; only pixels inside of the frame count."""
    return masks if width == 0 else blur(masks, width) / blur(torch.ones_like(masks[:1]), width)
