"""One clip, answered and explained by two classifiers."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from videovisual.diff.alignment import agreement, aligned
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.pipeline import Result, run_plan
from videovisual.pipeline.plan import Plan
from videovisual.pipeline.preprocessing import ClipLike
from videovisual.protocol import Prediction


@dataclass(frozen=True)
class Scored:
    """A class and its score."""

    label: str
    probability: float | None
    logit: float

    @classmethod
    def of(cls, prediction: Prediction) -> "Scored":
        """The class and score of a prediction."""
        return cls(prediction.label, prediction.probability, prediction.logit)


@dataclass(frozen=True)
class Comparison:
    """What changed for one clip.

    Attributes:
        old, new: the answers.
        kept: what the new model gives the old answer; None if it has no such class.
        correlation: Spearman's, of the two maps for the old answer; None where it is undefined, or
            the new model has no such class, or the two see no common part of the clip.
        overlap: of the strongest tenth of each map, the share that both have; None as above, but
            for a map that is the same everywhere.
    """

    old: Scored
    new: Scored
    kept: Scored | None
    correlation: float | None
    overlap: float | None

    @property
    def flipped(self) -> bool:
        """Whether the answer is another."""
        return self.old.label != self.new.label

    @property
    def moved(self) -> float | None:
        """By how much the old answer's probability, or raw score, rose; None if it has none."""
        if self.kept is None:
            return None
        if self.old.probability is None or self.kept.probability is None:
            return self.kept.logit - self.old.logit
        return self.kept.probability - self.old.probability

    def to_json(self) -> dict[str, Any]:
        """The comparison as JSON values."""
        return {**asdict(self), "flipped": self.flipped, "moved": self.moved}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Comparison":
        """The inverse of `to_json`.

        Raises:
            TypeError, KeyError: it is something else.
        """
        kept = data["kept"]
        return cls(
            old=Scored(**data["old"]),
            new=Scored(**data["new"]),
            kept=None if kept is None else Scored(**kept),
            correlation=data["correlation"],
            overlap=data["overlap"],
        )


def compare(old: Plan, new: Plan, clip: ClipLike) -> tuple[Comparison, Result, Result]:
    """Have two classifiers answer one clip, and explain the old one's answer by both.

    Args:
        old, new: requests to the two, each with one method, for the target `top1`.
        clip: as `videovisual.classify` takes it.

    Returns:
        The comparison, and both answers with their maps.

    Raises:
        VideoVisualError: as `videovisual.explain`.
    """
    before = run_plan(old, lambda: clip, Executor(old.classifier))
    best = before.answer.predictions[0]
    target = _index_of(new, best.label)
    asked = new if target is None else _about(new, target)
    after = run_plan(asked, lambda: clip, Executor(new.classifier))
    correlation = overlap = None
    if target is not None:
        common = aligned(before.saliencies[0], after.saliencies[0])
        if common is not None:
            correlation, overlap = agreement(*common)
    comparison = Comparison(
        old=Scored.of(best),
        new=Scored.of(after.answer.predictions[0]),
        kept=None if target is None else Scored.of(after.answer.explanations[0].target),
        correlation=correlation,
        overlap=overlap,
    )
    return comparison, before, after


def _index_of(plan: Plan, label: str) -> int | None:
    """The index of the class of that very name."""
    labels = plan.classifier.card.labels
    return labels.index(label) if label in labels else None


def _about(plan: Plan, target: int) -> Plan:
    return replace(plan, options=plan.options.model_copy(update={"target": (target,)}))
