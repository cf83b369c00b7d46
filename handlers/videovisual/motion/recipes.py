"""Hyperparameters of the trainings on Motion."""

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a training with AdamW.

    Attributes:
        steps: number of updates.
        batch: clips per update.
        learning_rate: peak value, after a linear warm-up of a tenth of the updates; then it
            decays to 0 as a cosine.
        weight_decay: of AdamW.
        smoothing: label smoothing.
        calm, restless: the curriculum, as fractions of the updates: up to `calm` the other
            objects stand still, from `restless` on they jump as in Motion.
        backwards: whether half of a batch is the other half played backwards, so that only the
            direction of time distinguishes them.
        local: weight of a second cross-entropy, at the target's cells of the last feature map;
            for networks that end in `avgpool`, over space and time, and `fc`.
        max_norm: largest norm of the gradient; None doesn't limit it.
        bfloat16: whether products are of bfloat16 numbers.
    """

    steps: int = 1600
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    smoothing: float = 0.05
    calm: float = 0.35
    restless: float = 0.7
    backwards: bool = False
    local: float = 0.0
    max_norm: float | None = None
    bfloat16: bool = False

    def rate(self, step: int) -> float:
        """The learning rate of the update `step`, counted from 0."""
        done = (step + 0.5) / self.steps
        falling = (1 + math.cos(math.pi * (done - 0.1) / 0.9)) / 2
        return self.learning_rate * (done / 0.1 if done < 0.1 else falling)

    def unrest(self, step: int) -> float:
        """The parameter `unrest` of `motion.sample` in the update `step`."""
        risen = (step / self.steps - self.calm) / (self.restless - self.calm)
        return min(max(risen, 0.0), 1.0)


TRANSFORMER = Recipe(
    steps=10_000,
    learning_rate=1.5e-3,
    calm=0.2,
    restless=0.5,
    backwards=True,
    local=1.0,
    max_norm=1.0,
    bfloat16=True,
)
"""What lets a small transformer learn Motion in half an hour of one core."""

RECIPES: Mapping[str, Recipe] = {
    "i3d-motion": Recipe(),
    "r2plus1d-motion": Recipe(backwards=True),
    "r3d-motion": Recipe(),
    "mc3-motion": Recipe(steps=2700, local=1.0),
    "tsm-motion": Recipe(steps=2000, batch=24, learning_rate=4e-3),
    "videomae-motion": TRANSFORMER,
    "swin3d-motion": TRANSFORMER,
}
"""Recipes of the classifiers that ship with the package."""
