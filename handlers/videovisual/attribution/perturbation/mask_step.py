"""What one iteration of a search computes before and after the network's pass."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import torch

from videovisual.attribution.perturbation.objective import MaskObjective
from videovisual.attribution.perturbation.pyramid import Pyramid
from videovisual.engine.optimise.cuda_graphs import Outputs, Recorder

Tensors = Sequence[torch.Tensor]


@dataclass(frozen=True)
class StepResult:
    """The value of each area's mask.

    Attributes:
        objective: with the final weights of the terms, float32 [A].
        gradient: of the objective with the current weights, at the coarse masks, [A, T, h, w].
        gain: the network's objective in the first game, float32 [A].
    """

    objective: torch.Tensor
    gradient: torch.Tensor
    gain: torch.Tensor


class MaskStep(Protocol):
    """Computes the perturbed clips of coarse masks, and then the gradient at the masks."""

    def forward(self, coarse: torch.Tensor, weights: torch.Tensor) -> Tensors:
        """The perturbed clips of each game, float32 [A, 3, T, H, W] each, detached.

        Args:
            coarse: float32 [A, T, h, w].
            weights: of the area and the core term in this iteration, float32 [2].
        """
        ...

    def backward(self, logits: Tensors, gradients: Tensors) -> StepResult:
        """The value of the masks of the last forward call, and the gradient at them.

        Args:
            logits: float32 [A, classes], for each game.
            gradients: of each game's objective at its perturbed clips.
        """
        ...


class AutogradMaskStep:
    """A mask step by autograd.

    Args:
        objective: the masks and the terms of their shape.
        pyramid: perturbs the clip.
        targets: int64 [A].
    """

    def __init__(self, objective: MaskObjective, pyramid: Pyramid, targets: torch.Tensor) -> None:
        self._objective, self._pyramid, self._targets = objective, pyramid, targets

    def forward(self, coarse: torch.Tensor, weights: torch.Tensor) -> Tensors:
        """See `MaskStep`."""
        self._coarse = coarse.detach().requires_grad_()
        # Closed before the caller yields: the mode belongs to the thread, which runs other jobs.
        with torch.enable_grad():
            masks = self._objective.masks(self._coarse)
            self._clips = [self._pyramid(game.shown(masks)) for game in self._objective.games]
            self._area, self._core = self._objective.area(masks), self._objective.core(masks)
            self._shape = weights[0] * self._area + weights[1] * self._core
        return [clips.detach() for clips in self._clips]

    def backward(self, logits: Tensors, gradients: Tensors) -> StepResult:
        """See `MaskStep`."""
        goal = self._objective.goal
        objective = goal.area * self._area.detach() + goal.core * self._core.detach()
        gains = [
            game.objective.of(each, self._targets, self._objective.scores)
            for game, each in zip(self._objective.games, logits, strict=True)
        ]
        for gain in gains:
            objective = objective.sub(gain, alpha=goal.score)
        # Multiply by the score's weight at the coarse masks, which are the smallest tensors.
        shape = torch.full_like(self._shape, -1 / goal.score)
        outputs = [*self._clips, self._shape]
        (gradient,) = torch.autograd.grad(outputs, [self._coarse], [*gradients, shape])
        return StepResult(objective, -goal.score * gradient, gains[0])


class RecordedMaskStep:
    """A mask step by recordings, which all searches of a kind share.

    Args:
        recorder: records and replays.
        key: everything that recordings depend on beside the shapes of tensors.
        objective, pyramid, targets: see `AutogradMaskStep`.
    """

    def __init__(
        self,
        recorder: Recorder,
        key: Hashable,
        objective: MaskObjective,
        pyramid: Pyramid,
        targets: torch.Tensor,
    ) -> None:
        self._recorder, self._key, self._objective = recorder, key, objective
        self._clip = (pyramid.base, pyramid.rises, targets)

    def forward(self, coarse: torch.Tensor, weights: torch.Tensor) -> Tensors:
        """See `MaskStep`."""
        self._inputs = (coarse, weights, *self._clip)
        work = partial(_forward, self._objective)
        return self._recorder.run(("forward", self._key), work, *self._inputs)

    def backward(self, logits: Tensors, gradients: Tensors) -> StepResult:
        """See `MaskStep`."""
        work = partial(_backward, self._objective)
        inputs = (*self._inputs, *logits, *gradients)
        return StepResult(*self._recorder.run(("backward", self._key), work, *inputs))


def _forward(objective: MaskObjective, *inputs: torch.Tensor) -> Outputs:
    coarse, weights, base, rises, targets = inputs
    return tuple(
        AutogradMaskStep(objective, Pyramid(base, rises), targets).forward(coarse, weights)
    )


def _backward(objective: MaskObjective, *inputs: torch.Tensor) -> Outputs:
    """Repeat the forward pass, which costs a GPU less than one launch from Python; then go back."""
    coarse, weights, base, rises, targets, *readings = inputs
    step = AutogradMaskStep(objective, Pyramid(base, rises), targets)
    step.forward(coarse, weights)
    games = len(readings) // 2
    result = step.backward(readings[:games], readings[games:])
    return result.objective, result.gradient, result.gain
