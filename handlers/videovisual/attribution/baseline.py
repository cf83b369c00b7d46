"""Baselines: clips without information, which methods compare a clip with."""

from collections.abc import Iterator

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


def noise(case: Case, count: int) -> Iterator[torch.Tensor]:
    """Uniform noise between black and white in every pixel and channel.

    Yields:
        `count` times float32 [3, T, H, W] in the model's space, the same on every device.
    """
    generator = torch.Generator().manual_seed(case.seed)
    black, white = case.flat(0.0), case.flat(1.0)
    for _ in range(count):
        drawn = torch.rand(case.clip.shape, generator=generator).to(case.clip.device)
        yield black + drawn * (white - black)
