"""The comparisons of a data set: counts, ranks, and the thresholds of a gate."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from videovisual.diff.comparison import Comparison
from videovisual.errors import InvalidRequest


@dataclass(frozen=True)
class Thresholds:
    """What a change may cost; None allows anything.

    Attributes:
        max_flips: the most answers that may flip: a number of clips, or with `share` one of them.
        share: whether `max_flips` is a share of the clips, in [0, 1].
        min_agreement: the least mean rank correlation of maps whose answer stayed, in [-1, 1].
    """

    max_flips: float | None = None
    share: bool = False
    min_agreement: float | None = None


@dataclass(frozen=True)
class Verdict:
    """One threshold, and whether it holds.

    Attributes:
        name: of the option.
        holds: whether it does.
        text: what was allowed, and what came.
    """

    name: str
    holds: bool
    text: str


@dataclass
class Diff:
    """Two classifiers over a data set.

    Attributes:
        comparisons: by the name of the clip.
        labels: of the clips that have one, by name.
        failed: clips that could not be compared, by name, each with the reason.
    """

    comparisons: dict[str, Comparison] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def flips(self) -> list[str]:
        """Clips whose answer is another, those first whose old answer fell the furthest."""
        names = [name for name, each in self.comparisons.items() if each.flipped]
        return sorted(names, key=lambda name: (-self._movement(name), name))

    def movements(self) -> list[str]:
        """Clips whose answer stayed, those first whose confidence moved the most."""
        return sorted(self._stayed(), key=lambda name: (-self._movement(name), name))

    def disagreements(self) -> list[str]:
        """Clips whose answer stayed and whose maps can be compared, the least alike first."""
        known = {
            name: correlation
            for name in self._stayed()
            if (correlation := self.comparisons[name].correlation) is not None
        }
        return sorted(known, key=lambda name: (known[name], name))

    def agreement(self) -> float | None:
        """The mean rank correlation of the maps whose answer stayed; None where none has one."""
        found = [self.comparisons[name].correlation for name in self._stayed()]
        known = [each for each in found if each is not None]
        return fmean(known) if known else None

    def accuracy(self) -> tuple[float, float] | None:
        """The old and the new share of right answers among clips with a label; None without."""
        pairs = [
            (self.comparisons[n], label)
            for n, label in self.labels.items()
            if n in self.comparisons
        ]
        if not pairs:
            return None
        return (
            fmean(float(each.old.label == label) for each, label in pairs),
            fmean(float(each.new.label == label) for each, label in pairs),
        )

    def verdicts(self, thresholds: Thresholds) -> Iterator[Verdict]:
        """Each threshold that was given, and whether it holds."""
        count, flips = len(self.comparisons), len(self.flips())
        if thresholds.max_flips is not None:
            limit = thresholds.max_flips
            allowed = f"{100 * limit:g}% of the clips" if thresholds.share else f"{limit:g}"
            holds = flips <= limit * (count if thresholds.share else 1)
            yield Verdict(
                "max-flips", holds, f"{flips} of {count} answers flipped; allowed: {allowed}."
            )
        if thresholds.min_agreement is not None:
            found = self.agreement()
            known, stayed = len(self.disagreements()), len(self._stayed())
            came = (
                "no two maps can be compared"
                if found is None
                else f"it is {found:.4f}, over the {known} of {stayed} clips whose maps have one"
            )
            yield Verdict(
                "min-agreement",
                found is not None and found >= thresholds.min_agreement,
                f"The mean rank correlation of maps whose answer stayed must be at least "
                f"{thresholds.min_agreement:g}; {came}.",
            )

    def check(self) -> None:
        """Raises InvalidRequest where no clip could be compared."""
        if self.comparisons:
            return
        name, reason = next(iter(self.failed.items()))
        raise InvalidRequest(
            f"None of the {len(self.failed)} clips could be compared; {name}, for one: {reason}"
        )

    def to_json(self, thresholds: Thresholds) -> dict[str, Any]:
        """The numbers, the gate, and a row for every clip, as JSON values."""
        accuracy = self.accuracy()
        return {
            "clips": len(self.comparisons) + len(self.failed),
            "failed": self.failed,
            "flips": self.flips(),
            "agreement": self.agreement(),
            "accuracy": None if accuracy is None else {"old": accuracy[0], "new": accuracy[1]},
            "gate": [
                {"name": each.name, "holds": each.holds, "text": each.text}
                for each in self.verdicts(thresholds)
            ],
            "rows": [
                {"clip": name, "label": self.labels.get(name), **each.to_json()}
                for name, each in self.comparisons.items()
            ],
        }

    def _stayed(self) -> list[str]:
        return [name for name, each in self.comparisons.items() if not each.flipped]

    def _movement(self, name: str) -> float:
        moved = self.comparisons[name].moved
        # A class that the new model lacks fell as far as can be.
        return float("inf") if moved is None else abs(moved)
