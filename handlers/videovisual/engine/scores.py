"""What a network's outputs mean: logits of one class, logits of several labels, or raw scores."""

from enum import Enum

import torch
from torch.nn import functional as F


class Scores(str, Enum):
    """The kinds of outputs [N, classes]."""

    SOFTMAX = "softmax"
    """Logits of classes of which one holds."""
    SIGMOID = "sigmoid"
    """Logits of labels, of which each holds or doesn't."""
    RAW = "raw"
    """Scores on a scale of their own, which give no probability."""

    def probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """The probability of each class; raw scores as they are.

        Args:
            logits: of any shape [..., classes].
        """
        if self is Scores.SOFTMAX:
            return logits.softmax(dim=-1)
        return logits.sigmoid() if self is Scores.SIGMOID else logits

    def log_probabilities(self, logits: torch.Tensor) -> torch.Tensor:
        """The logarithm of each class's probability; raw scores as they are."""
        if self is Scores.SOFTMAX:
            return logits.log_softmax(dim=-1)
        return F.logsigmoid(logits) if self is Scores.SIGMOID else logits

    def log_complement(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """log(1 − probability) of each clip's target; of raw scores, less the target's score.

        Args:
            logits: float32 [N, classes].
            targets: int64 [N].
        """
        own = targets[:, None]
        if self is Scores.SOFTMAX:
            others = logits.scatter(1, own, -torch.inf).logsumexp(dim=1)
            return others - logits.logsumexp(dim=1)
        chosen = logits.gather(1, own)[:, 0]
        return F.logsigmoid(-chosen) if self is Scores.SIGMOID else -chosen
