"""What an iteration of a search computes before and after the network's pass."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from videovisual.attribution.perturbation.objective import MaskObjective
from videovisual.attribution.perturbation.pyramid import Pyramid
from videovisual.engine.optimise.cuda_graphs import Outputs, Recorder


@dataclass(frozen=True)
class StepResult:
    """What a mask was found to be.

    Attributes:
        objective: by the terms' final weights, float32 [A].
        gradient: of the terms as they weigh now, at the coarse masks, float32 [A, T, h, w].
        gain: what the first side asks the network for, float32 [A].
    """

    objective: torch.Tensor
    gradient: torch.Tensor
    gain: torch.Tensor


class MaskStep(Protocol):
    """The way from coarse masks to what the network is shown, and back with its gradients."""

    def there(self, coarse: torch.Tensor, weights: torch.Tensor) -> Sequence[torch.Tensor]:
        """What is to be shown, for each side of the landscape.

        Args:
            coarse: float32 [A, T, h, w].
            weights: of the area and the core term in this iteration, float32 [2].

        Returns:
            float32 [A, 3, T, H, W] each, detached.
        """
        ...

    def back(self, logits: Sequence[torch.Tensor], pulls: Sequence[torch.Tensor]) -> StepResult:
        """What the network's answers to that make of the masks.

        Args:
            logits: float32 [A, classes], for each side.
            pulls: the gradients of the sides' objectives at what was shown.
        """
        ...


class AutogradMaskStep:
    """By autograd, there and back once.

    Args:
        landscape: masks and terms.
        pyramid: what they do to the clip.
        targets: int64 [A].
        cored: whether the core term weighs anything yet.
    """

    def __init__(
        self, landscape: MaskObjective, pyramid: Pyramid, targets: torch.Tensor, cored: bool
    ) -> None:
        self._landscape, self._pyramid = landscape, pyramid
        self._targets, self._cored = targets, cored

    def there(self, coarse: torch.Tensor, weights: torch.Tensor) -> Sequence[torch.Tensor]:
        """See `MaskStep`."""
        self._leaf = coarse.detach().requires_grad_()
        # Never open across a yield: the mode belongs to the thread, and so to its other jobs.
        with torch.enable_grad():
            masks = self._landscape.masks(self._leaf)
            self._views = [self._pyramid(side.shown(masks)) for side in self._landscape.sides]
            self._area = self._landscape.area(masks)
            self._core = self._landscape.core(masks if self._cored else masks.detach())
            self._shape = weights[0] * self._area + weights[1] * self._core
        return [view.detach() for view in self._views]

    def back(self, logits: Sequence[torch.Tensor], pulls: Sequence[torch.Tensor]) -> StepResult:
        """See `MaskStep`."""
        goal = self._landscape.goal
        objective = goal.area * self._area.detach() + goal.core * self._core.detach()
        sides = self._landscape.sides
        gains = [
            side.objective.of(scores, self._targets)
            for side, scores in zip(sides, logits, strict=True)
        ]
        for gain in gains:
            objective = objective.sub(gain, alpha=goal.score)
        # The score's weight is put in where there is least to multiply.
        pull = torch.full_like(self._shape, -1 / goal.score)
        ends = [*self._views, self._shape]
        (gradient,) = torch.autograd.grad(ends, [self._leaf], [*pulls, pull])
        return StepResult(objective, -goal.score * gradient, gains[0])


class RecordedMaskStep:
    """By recordings, one for each way, that all searches of a kind share.

    What the way back needs of the way there it computes anew, which costs a GPU less than Python
    to ask for it.

    Args:
        recorder: records and keeps.
        key: what recordings depend on beside the shapes of tensors.
        landscape, pyramid, targets, cored: see `AutogradMaskStep`.
    """

    def __init__(
        self,
        recorder: Recorder,
        key: Hashable,
        landscape: MaskObjective,
        pyramid: Pyramid,
        targets: torch.Tensor,
        cored: bool,
    ) -> None:
        self._recorder, self._key = recorder, (key, cored)
        self._landscape, self._cored = landscape, cored
        self._clip = (pyramid.base, pyramid.rises, targets)

    def there(self, coarse: torch.Tensor, weights: torch.Tensor) -> Sequence[torch.Tensor]:
        """See `MaskStep`."""
        self._masks = (coarse, weights)
        landscape, cored = self._landscape, self._cored

        def work(*inputs: torch.Tensor) -> Outputs:
            coarse, weights, base, rises, targets = inputs
            traced = AutogradMaskStep(landscape, Pyramid(base, rises), targets, cored)
            return tuple(traced.there(coarse, weights))

        return self._recorder.run(("there", self._key), work, *self._masks, *self._clip)

    def back(self, logits: Sequence[torch.Tensor], pulls: Sequence[torch.Tensor]) -> StepResult:
        """See `MaskStep`."""
        landscape, cored = self._landscape, self._cored

        def work(*inputs: torch.Tensor) -> Outputs:
            coarse, weights, base, rises, targets, *answers = inputs
            sides = len(answers) // 2
            traced = AutogradMaskStep(landscape, Pyramid(base, rises), targets, cored)
            traced.there(coarse, weights)
            felt = traced.back(answers[:sides], answers[sides:])
            return felt.objective, felt.gradient, felt.gain

        found = self._recorder.run(
            ("back", self._key), work, *self._masks, *self._clip, *logits, *pulls
        )
        return StepResult(*found)
