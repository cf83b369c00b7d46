"""What a mask does to a clip: it fades, or loses its detail, where the mask is low."""

from __future__ import annotations

from typing import Any

import torch

from videovisual.attribution.blur import blur
from videovisual.attribution.method import Case

LEVELS = 8


class Pyramid:
    """Versions of a clip from the fully perturbed one to the clip itself, evenly spaced in a mask.

    Args:
        base: float32 [3, T, H, W], the most perturbed one.
        rises: float32 [L, 3, T, H, W], from each version to the next; the last one leads to the
            clip.
    """

    def __init__(self, base: torch.Tensor, rises: torch.Tensor) -> None:
        self.base, self.rises = base, rises

    @classmethod
    def of(cls, case: Case, perturbation: str, sigma: float | None) -> Pyramid:
        """Of a case's clip: `blur` or `fade`.

        Args:
            case: the clip, and the model, of which the blur is if there is no `sigma`.
            perturbation: which.
            sigma: of the largest blur, in pixels.
        """
        if perturbation == "fade":
            return cls.faded(case.clip)
        return cls.blurred(case.clip, sigma or case.card.blur_sigma)

    @classmethod
    def blurred(cls, clip: torch.Tensor, sigma: float) -> Pyramid:
        """Gaussian blurs of the clip [3, T, H, W], `sigma` in pixels falling evenly to 0."""
        sigmas = [sigma * (1 - level / (LEVELS - 1)) for level in range(LEVELS)]
        return cls._between(torch.stack([blur(clip, each) for each in sigmas]))

    @classmethod
    def faded(cls, clip: torch.Tensor) -> Pyramid:
        """From 0, the middle of the model's space, straight to the clip [3, T, H, W]."""
        return cls._between(torch.stack([torch.zeros_like(clip), clip]))

    @classmethod
    def _between(cls, levels: torch.Tensor) -> Pyramid:
        return cls(levels[0].clone(), levels.diff(dim=0))

    def levels(self) -> torch.Tensor:
        """All versions: [L + 1, 3, T, H, W]."""
        return torch.cat([self.base[None], self.base + self.rises.cumsum(0)])

    def ends(self) -> torch.Tensor:
        """The clip all hidden, and all shown: [2, 3, T, H, W]."""
        return torch.stack([self.base, self.base + self.rises.sum(dim=0)])

    def __call__(self, masks: torch.Tensor) -> torch.Tensor:
        """Masks [N, T, H, W] in [0, 1] → clips [N, 3, T, H, W], differentiable in the masks."""
        clips: torch.Tensor = _Interpolation.apply(masks, self.base, self.rises)  # type: ignore[no-untyped-call]
        return clips


class _Interpolation(torch.autograd.Function):
    """Linear interpolation between levels, as a sum of rises, each climbed as far as the mask says.

    So on the way there every level is read once, in order, and none is gathered by pixel.
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
        # At the ends, or beyond by the last bit, a mask feels the rise that it can go along.
        levels = height.floor().clamp_(0, len(rises) - 1).long()
        slopes = rises.gather(0, levels[:, None].expand_as(grads[0]))
        return slopes.mul_(grads[0]).sum(dim=1).mul_(len(rises)), None, None
