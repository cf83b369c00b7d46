"""Logits → predictions, and a request's target → a class index."""

import math

import torch

from videovisual.engine.scores import Scores
from videovisual.errors import InvalidParameter
from videovisual.protocol import Prediction
from videovisual.zoo import ModelCard
from videovisual.zoo.card import TOP1


def predictions(card: ModelCard, logits: torch.Tensor, top_k: int) -> list[Prediction]:
    """The `top_k` classes of one clip's logits [classes], best first.

    Raises:
        InvalidParameter: the network has another number of classes than its card.
    """
    if logits.shape != (len(card.labels),):
        raise InvalidParameter(
            f"The network of {card.name} gives {logits.numel()} logits a clip, and its card has "
            f"{len(card.labels)} labels. Give the card one label for each logit.",
            classes=logits.numel(),
            labels=len(card.labels),
        )
    best = logits.topk(min(top_k, len(card.labels))).indices.tolist()
    return [prediction(card, logits, index) for index in best]


def prediction(card: ModelCard, logits: torch.Tensor, index: int) -> Prediction:
    """One class of one clip's logits [classes]."""
    scores = Scores(card.scores)
    return Prediction(
        index=index,
        label=card.labels[index],
        probability=None if scores is Scores.RAW else scores.probabilities(logits)[index].item(),
        logit=logits[index].item(),
    )


def is_top1(target: str | int) -> bool:
    """Whether a target stands for the most likely class."""
    return isinstance(target, str) and target.strip().lower() == TOP1


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
        target: an index, a class name, or `top1`.
        logits: float32 [classes], of the clip.

    Raises:
        InvalidTarget: no such class.
    """
    if is_top1(target):
        return int(logits.argmax())
    return card.target(target)
