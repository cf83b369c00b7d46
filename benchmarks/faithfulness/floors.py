"""Maps that don't depend on the network, as a lower bound for every method."""

from __future__ import annotations

import torch

from videovisual.attribution.method import Case, to_map
from videovisual.saliency import Saliency

WIDTH = 0.25
"""Standard deviation of `centre`, as a share of a frame's side."""


def random(case: Case) -> Saliency:
    """Uniform noise, drawn from the case's seed and target."""
    generator = torch.Generator().manual_seed(case.seed)
    noise = torch.rand(case.clip.shape[1:], generator=generator)
    return Saliency(to_map(noise), signed=False)


def centre(case: Case) -> Saliency:
    """A Gaussian at the centre of every frame."""
    frames, height, width = case.clip.shape[1:]
    down, right = (
        torch.exp(-0.5 * (torch.linspace(-0.5, 0.5, side) / WIDTH) ** 2) for side in (height, width)
    )
    still = torch.outer(down, right)
    return Saliency(to_map(still.expand(frames, height, width)), signed=False)


FLOORS = {"random": random, "centre": centre}
