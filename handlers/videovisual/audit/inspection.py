"""What a classifier answers to one clip, to changed copies of it, and where its evidence lies."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any
from zlib import crc32

import torch

from videovisual.audit.changes import border, changed, moving, parts
from videovisual.audit.evidence import Share, evidence
from videovisual.engine.probe import Probe, Work
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.finite import check_logits
from videovisual.pipeline.pipeline import Result, run_plan
from videovisual.pipeline.plan import Plan
from videovisual.pipeline.preprocessing import ClipLike

AT_ONCE = 6
"""Changed clips that exist at one time."""


@dataclass(frozen=True)
class Inspection:
    """One clip's part of an audit.

    Attributes:
        answer: index of the best class.
        probability: the model's of that class; None for raw scores.
        logit: of that class.
        changed: the best class of each changed clip, by the name of the change; see `changed`.
        shares: of the evidence; see `Evidence`. Empty without a method, or without evidence.
        cells: `Evidence.cells` as nested lists, rounded; None as above.
        logits: of all classes.
        part_s: seconds of one part of the clip; None for frames without timestamps.
    """

    answer: int
    probability: float | None
    logit: float
    changed: Mapping[str, int]
    shares: Mapping[str, Share]
    cells: list[list[list[float]]] | None
    logits: list[float]
    part_s: float | None

    def to_json(self) -> dict[str, Any]:
        """The inspection as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Inspection":
        """The inverse of `to_json`.

        Raises:
            TypeError, KeyError, AttributeError: it is something else.
        """
        shares = {name: Share(**share) for name, share in data["shares"].items()}
        return cls(**{**data, "shares": shares})


def inspect(plan: Plan, clip: ClipLike, name: str, seed: int = 0) -> tuple[Inspection, Result]:
    """Classify a clip and its changed copies, and explain the answer.

    Args:
        plan: a request to the classifier, with one method or none, for the target `top1`.
        clip: as `videovisual.classify` takes it.
        name: of the clip; with the seed it decides on the random order of the frames.
        seed: of all randomness.

    Returns:
        The inspection, and the answer with its map.

    Raises:
        VideoVisualError: as `videovisual.explain`.
    """
    executor = Executor(plan.classifier)
    result = run_plan(plan, lambda: clip, executor)
    prepared = result.prepared
    assert prepared is not None
    frames, height, width = prepared.clip.shape[1:]
    edge, moves = border(height, width), moving(prepared.clip)
    found = None
    if result.saliencies:
        still = None if moves is None else moves.numpy()
        found = evidence(result.saliencies[0].map, edge.numpy(), still)
    copies = changed(
        prepared.clip,
        moves,
        None if found is None else found.strongest,
        seed=crc32(name.encode("utf-8", "surrogatepass"), seed & 0xFFFFFFFF),
    )
    logits = executor.run(_logits(prepared.clip, copies))
    for each in logits.values():
        check_logits(plan.classifier.card, each)
    own = logits.pop("")
    best = result.answer.predictions[0]
    looked = prepared.facts.get("looked_at_s")
    inspection = Inspection(
        answer=best.index,
        probability=best.probability,
        logit=best.logit,
        changed={change: int(each.argmax()) for change, each in logits.items()},
        shares={} if found is None else found.shares,
        cells=None if found is None else found.cells.round(5).tolist(),
        logits=[round(value, 4) for value in own.tolist()],
        part_s=None if looked is None else looked / len(parts(frames)),
    )
    return inspection, result


def _logits(
    clip: torch.Tensor, copies: Iterator[tuple[str, torch.Tensor]]
) -> Work[dict[str, torch.Tensor]]:
    """The logits [classes] of the changed clips by name, and of the clip itself by ``""``."""
    logits: dict[str, torch.Tensor] = {}
    wanted = chain([("", clip)], copies)
    while taken := list(islice(wanted, AT_ONCE)):
        reading = yield Probe(torch.stack([each for _, each in taken]))
        logits.update(zip([name for name, _ in taken], reading.logits.cpu(), strict=True))
    return logits
