"""An audit: its numbers, its findings, and its JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from videovisual.audit import interval
from videovisual.audit.findings import Finding, findings
from videovisual.audit.groups import CONFIDENCE, Group, Grouping
from videovisual.audit.interval import Interval
from videovisual.audit.questions import CHANGES, MOMENT, SHARES
from videovisual.audit.tally import NONE, Tally
from videovisual.audit.unlike import Unlike, most_unlike
from videovisual.errors import InvalidRequest
from videovisual.utils.text import shown


@dataclass(frozen=True)
class Audit:
    """What a classifier leans on, over a data set.

    Attributes:
        tally: of its clips.
        classes: the model's, by index.
        overall: all clips.
        groups: the clips of each answer that was given, in the order of the classes.
        findings: what the intervals support; all hold together with a confidence of 95%.
        comparisons: among how many numbers findings were looked for.
        needed: the fewest clips of which anything can be found.
        unlike: the clips most unlike their class.
        accuracy: over the clips that have a label; None if none has.
    """

    tally: Tally
    classes: Sequence[str]
    overall: Group
    groups: Sequence[Group]
    findings: Sequence[Finding]
    comparisons: int
    needed: int
    unlike: Sequence[Unlike]
    accuracy: Interval | None

    @classmethod
    def of(cls, tally: Tally, classes: Sequence[str], seed: int = 0) -> "Audit":
        """Count what is in a tally.

        Args:
            tally: the inspections.
            classes: the model's, by index.
            seed: of the bootstrap.

        Raises:
            InvalidRequest: there is no clip, or all clips have the same answer and label.
        """
        labels = np.array(tally.labels)
        if len({*tally.answers, *(label for label in tally.labels if label != NONE)}) < 2:
            what = (
                f"all {len(tally)} clips are of the class {shown(classes[tally.answers[0]])!r}"
                if len(tally)
                else "no clip could be read"
            )
            raise InvalidRequest(
                f"An audit compares the clips of one class with those of others, and {what}. "
                "Give a folder with clips of two classes or more."
            )
        grouping = Grouping(tally, classes, seed)
        overall, *groups = grouping.groups()
        known = labels != NONE
        right = int((np.array(tally.answers) == labels)[known].sum())
        return cls(
            tally=tally,
            classes=classes,
            overall=overall,
            groups=groups,
            findings=[each for group in (overall, *groups) for each in findings(group, tally)],
            comparisons=grouping.comparisons,
            needed=grouping.needed,
            unlike=most_unlike(tally),
            accuracy=interval.wilson(right, int(known.sum())) if known.any() else None,
        )

    def to_json(self) -> dict[str, Any]:
        """The audit as JSON values, with a row for every clip."""
        names, tally = self.tally.names, self.tally
        return {
            "clips": len(tally),
            "accuracy": None if self.accuracy is None else asdict(self.accuracy),
            "confidence": CONFIDENCE,
            "comparisons": self.comparisons,
            "needed_clips": self.needed,
            "findings": [
                {**asdict(each), "clips": [names[clip] for clip in each.clips]}
                for each in self.findings
            ],
            "overall": self._group(self.overall),
            "classes": [self._group(group) for group in self.groups],
            "unlike": [
                {"clip": names[each.clip], "class": self.classes[each.group], "times": each.times}
                for each in self.unlike
            ],
            "measures": {
                name: question.about
                for name, question in {**CHANGES, "moment": MOMENT, **SHARES}.items()
            },
            "rows": [self._row(clip) for clip in range(len(tally))],
        }

    def _group(self, group: Group) -> dict[str, Any]:
        data = asdict(group)
        clips = [self.tally.names[clip] for clip in group.clips]
        return {**data, "clips": len(clips)} if group.name is None else {**data, "clips": clips}

    def _row(self, clip: int) -> dict[str, Any]:
        tally = self.tally
        answer, label = tally.answers[clip], tally.labels[clip]
        probability, logit = tally.scores[clip]
        return {
            "clip": tally.names[clip],
            "label": None if label == NONE else self.classes[label],
            "answer": self.classes[answer],
            "probability": probability,
            "logit": logit,
            "stays": {
                change: given[clip] == answer
                for change, given in tally.changed.items()
                if given[clip] != NONE
            },
            "shares": {name: share.value for name, share in tally.shares[clip].items()},
        }
