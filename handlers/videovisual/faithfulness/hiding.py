"""Ways of hiding a part of a clip: what stands in its place, and how its edge is drawn."""

from collections.abc import Iterator

import torch

from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case

BLURS = (0.75, 1.5)
"""Blurs as multiples of the card's `blur_sigma`: 15 and 30 pixels for I3D's 224."""

FEATHERS = (0.0, 0.075, 0.2)
"""Widths of the edge as multiples of `blur_sigma`: hard, 1.5 and 4 pixels for I3D's 224."""

FILLS = len(BLURS) + 2
WAYS = FILLS * len(FEATHERS)


def fills(case: Case) -> Iterator[torch.Tensor]:
    """What stands in the place of hidden pixels: float32, each of or expanding to the clip's shape.

    The clip blurred in two strengths, its mean colour, and the frames half a clip away, blurred.
    """
    sigma = case.card.blur_sigma
    for strength in BLURS:
        yield blur(case.clip, strength * sigma)
    yield case.clip.mean(dim=(1, 2, 3), keepdim=True).expand_as(case.clip)
    yield blur(case.clip.roll(case.clip.shape[1] // 2, dims=1), sigma)


def edges(case: Case, mask: torch.Tensor) -> list[torch.Tensor]:
    """The mask with each kind of edge.

    Args:
        case: the clip, on the mask's device.
        mask: bool [T, H, W].

    Returns:
        float32 [T, H, W] in [0, 1], one for each of `FEATHERS`.
    """
    hard = mask.float()
    widths = [feather * case.card.blur_sigma for feather in FEATHERS]
    # Outside of a frame there is neither mask nor anything hidden.
    return [blur(hard, width) / blur(torch.ones_like(hard), width) for width in widths]
