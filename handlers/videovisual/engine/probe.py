"""Probes and readings: the exchange between an attribution method and the engine."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

import torch
from torch import nn

from videovisual.engine.attention import Attention
from videovisual.engine.progress import Progress
from videovisual.engine.scores import Scores
from videovisual.engine.tokens import Tokens
from videovisual.saliency import Saliency


class Objective(Enum):
    """The scalar of each clip that is differentiated."""

    LOGIT = "logit"
    LOG_PROBABILITY = "log_probability"
    LOG_COMPLEMENT = "log_complement"
    """log(1 − probability), whose gradient does not vanish where the probability is nearly 1."""

    def of(
        self, logits: torch.Tensor, targets: torch.Tensor, scores: Scores = Scores.SOFTMAX
    ) -> torch.Tensor:
        """The objective of each clip, [N].

        Args:
            logits: float32 [N, classes].
            targets: int64 [N].
            scores: what the logits mean; see `Scores` for those that give no probability.
        """
        if self is Objective.LOG_COMPLEMENT:
            return scores.log_complement(logits, targets)
        if self is Objective.LOG_PROBABILITY:
            logits = scores.log_probabilities(logits)
        return logits.gather(1, targets[:, None])[:, 0]


NetworkFunction = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]
"""Network, clips [N, 3, T, H, W], targets [N] → any [N, ...]. It must not change the arguments.
Nothing else uses torch while it runs."""


@dataclass(frozen=True)
class Probe:
    """What a method asks of the network.

    Attributes:
        clips: float32 [N, 3, T, H, W] in the model's space.
        targets: int64 [N], the class of each clip's objective; None asks for logits only.
        objective: what is differentiated.
        gradient: whether to return the gradient at the input.
        layer: dotted name of a module. Its activations and the objective's gradient at them are
            returned instead, and nothing below that layer is differentiated.
        attention: what is read of every attention, which is returned instead.
        folded: whether the gradient may be that of the network with batch norm folded into its
            convolutions. Folding changes the last bits, so some ReLUs flip; searches tolerate that.
        reduced_precision: whether a folded gradient may be computed in 16 bits, if the runner does.
        apply: a function of a library that needs the network itself; called instead of all else.
        progress: the progress of the method.
    """

    clips: torch.Tensor
    targets: torch.Tensor | None = None
    objective: Objective = Objective.LOGIT
    gradient: bool = False
    layer: str | None = None
    attention: Attention | None = None
    folded: bool = False
    reduced_precision: bool = False
    apply: NetworkFunction | None = None
    progress: Progress | None = None

    @property
    def differentiates(self) -> bool:
        """Whether the probe asks for more than logits."""
        return self.gradient or self.layer is not None or self.attention is not None


@dataclass(frozen=True)
class Reading:
    """The network's answer to a probe, on the probe's device, detached.

    Attributes:
        logits: float32 [N, classes].
        gradient: float32, of the shape of `Probe.clips`, if the probe asked for it.
        activation, activation_gradient: float32 [N, C, T', H', W'], if the probe named a layer.
        attention: if the probe asked for it, float32 [N, groups, queries, keys] of each attention
            in the order of a pass; a group is a set of tokens that attend to one another.
        tokens: with attention, the places of the tokens.
        applied: the result of `Probe.apply`; `logits` are then empty, [N, 0].
        precision: the dtype of the network's products.
        scores: what the logits mean.
    """

    logits: torch.Tensor
    gradient: torch.Tensor | None = None
    activation: torch.Tensor | None = None
    activation_gradient: torch.Tensor | None = None
    attention: tuple[torch.Tensor, ...] | None = None
    tokens: Tokens | None = None
    applied: torch.Tensor | None = None
    precision: torch.dtype = torch.float32
    scores: Scores = Scores.SOFTMAX

    def probabilities(self) -> torch.Tensor:
        """The probability of each class, float32 [N, classes]; raw scores as they are."""
        return self.scores.probabilities(self.logits)


Result = TypeVar("Result")

Work = Generator[Probe, Reading, Result]
"""A generator that the engine runs: it yields probes, receives readings, returns its result."""

Attribution = Work[Saliency]
"""A running method, whose result is the saliency."""

Classification = Work[torch.Tensor]
"""Work of one probe, whose result is the logits, float32 [N, classes]."""


def classification(clips: torch.Tensor) -> Classification:
    """The logits of `clips`, float32 [N, 3, T, H, W]."""
    reading = yield Probe(clips)
    return reading.logits
