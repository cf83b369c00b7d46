"""The generator of masks beside TorchRay's and the textbook's."""

from __future__ import annotations

import torch
from torchray.attribution.extremal_perturbation import MaskGenerator

from benchmarks.row import Row
from benchmarks.speed.turns import by_turns
from benchmarks.textbook import UnfoldedMasks
from videovisual.attribution.perturbation.mask import SmoothMasks

FRAMES = 16
STEP = 7


def masks(side: int, sigma: int, *, rounds: int) -> Row:
    """Full-size masks of 16 frames and their gradient, at the published settings."""
    ours = SmoothMasks(side, side, STEP, sigma)
    torchrays = MaskGenerator((side, side), STEP, sigma)
    unfolded = UnfoldedMasks(side, side, STEP, sigma)
    coarse = torch.rand(FRAMES, 1, *ours.cells, requires_grad=True)
    pull = torch.rand(FRAMES, side, side)

    def gradient(full: torch.Tensor) -> None:
        torch.autograd.grad(full.reshape(FRAMES, side, side), coarse, pull)

    seconds = by_turns(
        {
            "ours": lambda: gradient(ours(coarse)),
            "torchray": lambda: gradient(torchrays.generate(coarse)[0]),
            "textbook": lambda: gradient(unfolded(coarse[:, 0])),
        },
        rounds,
    )
    ratios = {name: seconds[name] / seconds["ours"] for name in ("torchray", "textbook")}
    return Row(
        f"masks of {FRAMES} × {side} × {side} and their gradient",
        "",
        f"{seconds['ours'] * 1e3:.0f} ms; TorchRay {ratios['torchray']:.1f} ×, "
        f"the textbook {ratios['textbook']:.1f} × as long",
        None,
        {"seconds": seconds},
    )
