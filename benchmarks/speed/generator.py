"""The generator of masks against TorchRay's and the reference implementation's."""

from __future__ import annotations

import torch
from tests.reference.textbook import UnfoldedMasks
from torchray.attribution.extremal_perturbation import MaskGenerator

from benchmarks.row import Row, clock
from benchmarks.speed.turns import by_turns
from videovisual.attribution.perturbation.mask import SmoothMasks

FRAMES = 16
STEP = 7


def masks(side: int, sigma: int, device: str, *, rounds: int) -> Row:
    """Full-size masks of 16 frames and their gradient, at the published settings."""
    ours = SmoothMasks(side, side, STEP, sigma, device)
    torchrays = MaskGenerator((side, side), STEP, sigma).to(device)
    unfolded = UnfoldedMasks(side, side, STEP, sigma, device)
    coarse = torch.rand(FRAMES, 1, *ours.cells, requires_grad=True, device=device)
    pull = torch.rand(FRAMES, side, side, device=device)

    def gradient(full: torch.Tensor) -> None:
        torch.autograd.grad(full.reshape(FRAMES, side, side), coarse, pull)

    seconds = by_turns(
        {
            "ours": lambda: gradient(ours(coarse)),
            "torchray": lambda: gradient(torchrays.generate(coarse)[0]),
            "reference": lambda: gradient(unfolded(coarse[:, 0])),
        },
        rounds,
    )
    ratios = {name: seconds[name] / seconds["ours"] for name in ("torchray", "reference")}
    return Row(
        f"masks of {FRAMES} × {side} × {side} and their gradient",
        "",
        f"{clock(seconds['ours'])}; TorchRay {ratios['torchray']:.1f} ×, "
        f"the reference implementation {ratios['reference']:.1f} × as long",
        None,
        {"seconds": seconds},
    )
