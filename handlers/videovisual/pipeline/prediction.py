"""Logits → predictions, and a request's target → a class index."""

import math

import torch

from videovisual.protocol import Prediction
from videovisual.zoo import ModelCard

TOP1 = "top1"
"""The target that stands for the most likely class."""


def predictions(card: ModelCard, logits: torch.Tensor, top_k: int) -> list[Prediction]:
    """The `top_k` classes of one clip's logits [classes], best first."""
    best = logits.topk(min(top_k, len(card.labels))).indices.tolist()
    return [prediction(card, logits, index) for index in best]


def prediction(card: ModelCard, logits: torch.Tensor, index: int) -> Prediction:
    """One class of one clip's logits [classes]."""
    return Prediction(
        index=index,
        label=card.labels[index],
        probability=logits.softmax(dim=0)[index].item(),
        logit=logits[index].item(),
    )


def entropy(logits: torch.Tensor) -> float:
    """How undecided the model is between its classes: 0 is sure of one, 1 is pure chance."""
    if len(logits) < 2:
        return 0.0
    chances = logits.double().softmax(dim=0)
    return round(float(torch.special.entr(chances).sum()) / math.log(len(logits)), 4)


def resolve_target(card: ModelCard, target: str | int, logits: torch.Tensor) -> int:
    """The index of a request's `target`.

    Args:
        card: the model's, with the class names.
        target: a class name, an index, or `top1`.
        logits: float32 [classes], of the clip.

    Raises:
        InvalidTarget: no such class.
    """
    if str(target).strip().lower() == TOP1:
        return int(logits.argmax())
    return card.target(target)
