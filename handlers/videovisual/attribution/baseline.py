"""Baselines: clips without information, which methods compare a clip with."""

import torch

from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case

INTENSITY = {"black": 0.0, "grey": 0.5}


def baseline(case: Case, name: str) -> torch.Tensor:
    """A baseline of the case's clip: float32 [3, T, H, W] in the model's space.

    Args:
        case: the clip and the model.
        name: `black`, `grey`, or `blur` for the blurred clip.
    """
    if name == "blur":
        return blur(case.clip, case.card.blur_sigma)
    return case.flat(INTENSITY[name]).expand_as(case.clip)


def noise(case: Case, count: int) -> torch.Tensor:
    """Uniform noise between black and white in every pixel and channel.

    Returns:
        float32 [count, 3, T, H, W] in the model's space, the same on every device.
    """
    generator = torch.Generator().manual_seed(case.seed)
    drawn = torch.rand(count, *case.clip.shape, generator=generator).to(case.clip.device)
    black, white = case.flat(0.0), case.flat(1.0)
    return black + drawn * (white - black)
