"""The inspections of a data set, in arrays."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from videovisual.audit.changes import PARTS
from videovisual.audit.evidence import CELLS, Share
from videovisual.audit.inspection import Inspection

NONE = -1
"""Stands for a change or a label that a clip doesn't have."""

PLACES = CELLS * CELLS


@dataclass
class Tally:
    """What is kept of each clip, in the order in which the clips were added.

    Attributes:
        names: of the clips.
        labels: index of the class that each clip is said to show; `NONE` without one.
        answers: index of the class that the model gave.
        scores: probability of that class, or None, and its logit.
        changed: the answers to the changed clips, by the name of the change; `NONE` where the
            change could not be made.
        shares: of the evidence; None where there is none.
        profiles: float32, each clip's logits and evidence, both of length 1.
        part_s: seconds of one part, of the clips that have timestamps.
    """

    names: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    scores: list[tuple[float | None, float]] = field(default_factory=list)
    changed: dict[str, list[int]] = field(default_factory=dict)
    shares: list[dict[str, Share]] = field(default_factory=list)
    places: list[npt.NDArray[np.float32] | None] = field(default_factory=list)
    profiles: list[npt.NDArray[np.float32]] = field(default_factory=list)
    part_s: list[float] = field(default_factory=list)

    def add(self, name: str, label: int | None, inspection: Inspection) -> None:
        """Add a clip."""
        known = len(self.names)
        for change in {*inspection.changed, *self.changed}:
            # A change that no clip before could have begins with as many gaps.
            answers = self.changed.setdefault(change, [NONE] * known)
            answers.append(inspection.changed.get(change, NONE))
        self.names.append(name)
        self.labels.append(NONE if label is None else label)
        self.answers.append(inspection.answer)
        self.scores.append((inspection.probability, inspection.logit))
        self.shares.append(dict(inspection.shares))
        cells = None if inspection.cells is None else np.asarray(inspection.cells, np.float32)
        self.places.append(None if cells is None else cells.sum(axis=0).ravel())
        self.profiles.append(_profile(inspection.logits, cells))
        if inspection.part_s is not None:
            self.part_s.append(inspection.part_s)

    def __len__(self) -> int:
        return len(self.names)


def _profile(
    logits: Sequence[float], cells: npt.NDArray[np.float32] | None
) -> npt.NDArray[np.float32]:
    """Logits around their mean, and square roots of the evidence, each of length 1."""
    scores = np.asarray(logits, np.float32)
    scores = scores - scores.mean()
    length = float(np.linalg.norm(scores))
    even = np.full(PARTS * PLACES, 1 / (PARTS * PLACES), np.float32)
    where = even if cells is None or cells.size != even.size else cells.ravel()
    profile: npt.NDArray[np.float32] = np.concatenate(
        [scores / (length or 1.0), np.sqrt(where.clip(min=0))]
    )
    return profile
