"""What a verification finds: a verdict and a sentence for each part, and the outcome of all."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Literal

Part = Literal["record", "signature", "clip", "model", "answer", "map", "facts"]


class Verdict(str, Enum):
    """How a part compares with what the record states."""

    SAME = "same"
    CLOSE = "close"
    """Within the tolerance of other hardware or versions, which it was computed on."""
    INEXACT = "inexact"
    """As close, and the hardware and versions are the same, so it should be the same."""
    DIFFERS = "differs"
    UNCHECKED = "not checked"


class Outcome(str, Enum):
    """What a verification comes to."""

    VERIFIED = "verified"
    ALTERED = "altered"
    """The record or a signature is not as it should be."""
    OTHER_INPUT = "other input"
    """The clip or the model is not the record's."""
    NOT_REPRODUCED = "not reproduced"
    """Computed again, the answer or a map is another."""
    INCOMPLETE = "incomplete"
    """Nothing differs, but a part wasn't checked, or isn't the same to the last bit."""


@dataclass(frozen=True)
class Finding:
    """One part of a record, checked.

    Attributes:
        part: what was checked.
        verdict: how it compares.
        message: the same in a sentence, with the figures.
    """

    part: Part
    verdict: Verdict
    message: str


@dataclass(frozen=True)
class Verification:
    """All findings on a record."""

    findings: tuple[Finding, ...]

    @property
    def outcome(self) -> Outcome:
        """The worst of the findings, the record's own before those of what it is about."""
        for outcome, parts in (
            (Outcome.ALTERED, ("record", "signature")),
            (Outcome.OTHER_INPUT, ("clip", "model")),
            (Outcome.NOT_REPRODUCED, ("answer", "map", "facts")),
        ):
            if Verdict.DIFFERS in self._verdicts(parts):
                return outcome
        whole = {Verdict.SAME, Verdict.CLOSE}
        found = {finding.verdict for finding in self.findings}
        return Outcome.VERIFIED if found <= whole else Outcome.INCOMPLETE

    def _verdicts(self, parts: Iterable[str]) -> set[Verdict]:
        return {finding.verdict for finding in self.findings if finding.part in parts}
