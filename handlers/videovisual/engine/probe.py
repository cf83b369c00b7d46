"""What passes between an attribution method and the engine."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import torch
from torch import nn

from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency


class Objective(Enum):
    """The scalar, one a clip, whose gradient is asked for."""

    LOGIT = "logit"
    LOG_PROBABILITY = "log_probability"
    LOG_COMPLEMENT = "log_complement"
    """log(1 − probability), which keeps its gradient where the probability is nearly 1."""

    def of(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Of logits [N, classes] and targets int64 [N] → [N]."""
        own = targets[:, None]
        if self is Objective.LOG_PROBABILITY:
            logits = logits.log_softmax(dim=1)
        elif self is Objective.LOG_COMPLEMENT:
            others = logits.scatter(1, own, -torch.inf).logsumexp(dim=1)
            return others - logits.logsumexp(dim=1)
        return logits.gather(1, own)[:, 0]


Application = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
"""Network, clips [N, 3, T, H, W], targets [N] → any tensor [N, ...]. It owns nothing of the three,
leaves the network as it was, and runs beside no other use of torch."""


@dataclass(frozen=True)
class Probe:
    """A question for the network.

    Attributes:
        clips: float32 [N, 3, T, H, W] in the model's space.
        targets: int64 [N], the class of each clip's objective; None asks for logits only.
        objective: what is differentiated.
        gradient: whether the gradient at the input is wanted.
        layer: dotted name of a module whose activations, and the objective's gradient at them,
            are wanted instead; nothing below that layer is differentiated.
        quick: whether the gradient may be that of the folded network, whose layers' last bits
            differ: a rectifier at 0 then turns here and there, which a search does not feel.
        lowered: whether a quick gradient may be of sixteen-bit numbers, where the oracle has them.
        apply: a library's method that needs the network itself, called instead of all else.
        progress: how far the method that asks has come.
    """

    clips: torch.Tensor
    targets: torch.Tensor | None = None
    objective: Objective = Objective.LOGIT
    gradient: bool = False
    layer: str | None = None
    quick: bool = False
    lowered: bool = False
    apply: Application | None = None
    progress: Progress | None = None

    @property
    def differentiates(self) -> bool:
        """Whether the probe needs a backward pass."""
        return self.gradient or self.layer is not None


@dataclass(frozen=True)
class Reading:
    """The network's answer to a probe, on the probe's device, detached.

    Attributes:
        logits: float32 [N, classes].
        gradient: float32, as `Probe.clips`, where asked for.
        activation, activation_gradient: float32 [N, C, T', H', W'], where a layer was named.
        applied: what `Probe.apply` gave; `logits` are then empty, [N, 0].
        precision: of the numbers that the network multiplied.
    """

    logits: torch.Tensor
    gradient: torch.Tensor | None = None
    activation: torch.Tensor | None = None
    activation_gradient: torch.Tensor | None = None
    applied: torch.Tensor | None = None
    precision: torch.dtype = torch.float32

    def probabilities(self) -> torch.Tensor:
        """Softmax of the logits, float32 [N, classes]."""
        return self.logits.softmax(dim=1)


Result = TypeVar("Result")

Work = Generator[Probe, Reading, Result]
"""What the engine runs: yields probes, receives readings, returns its result."""

Attribution = Work[Saliency]
"""A running method: its result is the saliency."""

Classification = Work[torch.Tensor]
"""A job of one probe: its result is the logits, float32 [N, classes]."""


def classification(clips: torch.Tensor) -> Classification:
    """Ask for the logits of `clips`, float32 [N, 3, T, H, W]."""
    reading = yield Probe(clips)
    return reading.logits
