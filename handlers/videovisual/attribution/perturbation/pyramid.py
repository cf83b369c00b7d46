"""Perturbed clips: a clip is faded or blurred where the mask is low."""

from typing import Any

import torch

from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case

LEVELS = 8


class Pyramid:
    """Versions of a clip from the fully perturbed one, at mask 0, to the clip itself, at mask 1.

    Args:
        base: float32 [3, T, H, W], the fully perturbed version.
        rises: float32 [L, 3, T, H, W], the differences of successive versions.
    """

    def __init__(self, base: torch.Tensor, rises: torch.Tensor) -> None:
        self.base, self.rises = base, rises

    @classmethod
    def of(cls, case: Case, perturbation: str, sigma: float | None) -> "Pyramid":
        """The pyramid of a case's clip.

        Args:
            case: the clip and the model.
            perturbation: `blur` or `fade`.
            sigma: of the largest blur, in pixels; None for the model's own.
        """
        if perturbation == "fade":
            return cls.faded(case.clip)
        return cls.blurred(case.clip, sigma or case.card.blur_sigma)

    @classmethod
    def blurred(cls, clip: torch.Tensor, sigma: float) -> "Pyramid":
        """Gaussian blurs of the clip [3, T, H, W], `sigma` in pixels falling evenly to 0."""
        sigmas = [sigma * (1 - level / (LEVELS - 1)) for level in range(LEVELS)]
        return cls._between(torch.stack([blur(clip, each) for each in sigmas]))

    @classmethod
    def faded(cls, clip: torch.Tensor) -> "Pyramid":
        """From 0, the middle of the model's space, straight to the clip [3, T, H, W]."""
        return cls._between(torch.stack([torch.zeros_like(clip), clip]))

    @classmethod
    def _between(cls, levels: torch.Tensor) -> "Pyramid":
        return cls(levels[0].clone(), levels.diff(dim=0))

    def ends(self) -> torch.Tensor:
        """The clip fully hidden and fully shown: [2, 3, T, H, W]."""
        return torch.stack([self.base, self.base + self.rises.sum(dim=0)])

    def __call__(self, masks: torch.Tensor) -> torch.Tensor:
        """Masks [N, T, H, W] in [0, 1] → clips [N, 3, T, H, W], differentiable in the masks."""
        clips: torch.Tensor = _Interpolation.apply(masks, self.base, self.rises)  # type: ignore[no-untyped-call]
        return clips


class _Interpolation(torch.autograd.Function):
    """Linear interpolation between levels, as a weighted sum of all rises.

    So the forward pass reads every level once, in order, and gathers nothing by pixel.
    """

    @staticmethod
    def forward(
        ctx: Any, masks: torch.Tensor, base: torch.Tensor, rises: torch.Tensor
    ) -> torch.Tensor:
        clips = base.expand(len(masks), *base.shape).clone()
        height = masks * len(rises)
        for level, rise in enumerate(rises):
            clips.addcmul_((height - level).clamp_(0, 1)[:, None], rise)
        ctx.save_for_backward(height, rises)
        return clips

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        height, rises = ctx.saved_tensors
        # At 0 and 1, or beyond by rounding, the slope is that of the level inside.
        levels = height.floor().clamp_(0, len(rises) - 1).long()
        slopes = rises.gather(0, levels[:, None].expand_as(grads[0]))
        return slopes.mul_(grads[0]).sum(dim=1).mul_(len(rises)), None, None
