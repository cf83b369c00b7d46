"""Rates and shares of an audit, over all clips and by class."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import numpy.typing as npt

from videovisual.audit import interval
from videovisual.audit.evidence import Share
from videovisual.audit.interval import Interval
from videovisual.audit.questions import CHANGES, SHARES
from videovisual.audit.tally import NONE, PLACES, Tally

CONFIDENCE = 0.95
LEAST_CLIPS = 10
"""In a class of fewer clips no findings are looked for."""

HALF = 0.5
"""A finding holds for more than half: of the clips, or of what chance leaves."""

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Survival:
    """Answers to a changed clip.

    Attributes:
        rate: of clips whose answer stays.
        chance: how often clips of other answers get this answer by the same change; over all
            classes, how often answers would stay if they were dealt out at random.
        beyond: rate − chance for a class, and (rate − chance) / (1 − chance) over all, with bounds
            that hold for all numbers of the audit together.
    """

    rate: Interval
    chance: float
    beyond: Interval


@dataclass(frozen=True)
class Loss:
    """Answers that are lost without a part of the clip.

    Attributes:
        rate: of clips.
        strict: the same, with bounds that hold for all numbers of the audit together.
    """

    rate: Interval
    strict: Interval


@dataclass(frozen=True)
class Concentration:
    """Where evidence lies.

    Attributes:
        mean: mean share.
        even: mean share of maps that are the same everywhere.
        mostly: the rate of clips whose share is nearer to 1 than to the even one.
        at_least: the rate's lower bound that holds for all numbers of the audit together.
    """

    mean: Interval
    even: float
    mostly: Interval
    at_least: float


@dataclass(frozen=True)
class Group:
    """The clips that a model gives one answer, or all clips.

    Attributes:
        name: of the class; None for all.
        clips: their numbers in the tally.
        survivals: by the name of a change.
        losses: one a part; empty where no clip has parts.
        shares: by name.
    """

    name: str | None
    clips: Sequence[int]
    survivals: dict[str, Survival] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)
    shares: dict[str, Concentration] = field(default_factory=dict)


class Grouping:
    """Counts what is in a tally.

    Args:
        tally: of two or more clips.
        classes: the model's, by index.
        seed: of the bootstrap.

    Attributes:
        comparisons: among how many numbers findings are looked for.
        needed: the fewest clips of which anything can be found.
    """

    def __init__(self, tally: Tally, classes: Sequence[str], seed: int = 0) -> None:
        self._tally, self._classes, self._seed = tally, classes, seed
        self._answers = np.array(tally.answers)
        self._changed = {name: np.array(given) for name, given in tally.changed.items()}
        parts = sum(name.startswith("without_") for name in self._changed)
        self._losing = [f"without_{number}" for number in range(parts)]
        large = np.bincount(self._answers)
        self.comparisons = (int((large >= LEAST_CLIPS).sum()) + 1) * (
            sum(question.finding is not None for question in CHANGES.values()) + parts + len(SHARES)
        )
        # Bonferroni: of so many intervals all hold together with `CONFIDENCE`.
        self._strict = 1 - (1 - CONFIDENCE) / self.comparisons
        self.needed = next(
            n for n in count(LEAST_CLIPS) if interval.wilson(n, n, self._strict).low > HALF
        )

    def groups(self) -> Iterator[Group]:
        """All clips, then those of each answer that was given, in the order of the classes."""
        yield self._group(None, np.arange(len(self._tally)))
        for index in np.unique(self._answers):
            yield self._group(self._classes[index], np.flatnonzero(self._answers == index))

    def _group(self, name: str | None, clips: Indices) -> Group:
        survivals = {
            change: found
            for change in CHANGES
            if (found := self._survival(change, clips, by_class=name is not None)) is not None
        }
        shares = {about: self._share(found) for about, found in self._found(clips) if found}
        losses = [self._loss(part, clips) for part in self._losing]
        known = [loss for loss in losses if loss is not None]
        return Group(name, clips.tolist(), survivals, known, shares)

    def _survival(self, change: str, clips: Indices, *, by_class: bool) -> Survival | None:
        answers = self._changed.get(change)
        had = clips if answers is None else clips[answers[clips] != NONE]
        if answers is None or not len(had):
            return None
        stayed = int((answers[had] == self._answers[had]).sum())
        rate = interval.wilson(stayed, len(had))
        strict = interval.wilson(stayed, len(had), self._strict)
        if not by_class:
            chance = _agreement(self._answers[had], answers[had])
            room = max(1 - chance, 1e-9)
            beyond = Interval(
                (strict.value - chance) / room,
                (strict.low - chance) / room,
                (strict.high - chance) / room,
                len(had),
            )
            return Survival(rate, chance, beyond)
        own = self._answers[had[0]]
        others = answers[(answers != NONE) & (self._answers != own)]
        if not len(others):
            return Survival(rate, 0.0, strict)
        got = interval.wilson(int((others == own).sum()), len(others), self._strict)
        return Survival(rate, got.value, interval.difference(strict, got))

    def _loss(self, part: str, clips: Indices) -> Loss | None:
        answers = self._changed[part][clips]
        lost = (answers != self._answers[clips])[answers != NONE]
        if not len(lost):
            return None
        rate, strict = (
            interval.wilson(int(lost.sum()), len(lost), confidence)
            for confidence in (CONFIDENCE, self._strict)
        )
        return Loss(rate, strict)

    def _found(self, clips: Indices) -> Iterator[tuple[str, list[Share]]]:
        """The clips' shares, by name."""
        for about in SHARES:
            if about == "one_place":
                places = [self._tally.places[clip] for clip in clips]
                yield about, _in_one_place([place for place in places if place is not None])
            else:
                each = (self._tally.shares[clip].get(about) for clip in clips)
                yield about, [share for share in each if share is not None]

    def _share(self, found: Sequence[Share]) -> Concentration:
        mostly = sum(share.mostly for share in found)
        return Concentration(
            mean=interval.mean([share.value for share in found], self._seed),
            even=float(np.mean([share.even for share in found])),
            mostly=interval.wilson(mostly, len(found)),
            at_least=interval.wilson(mostly, len(found), self._strict).low,
        )


def _agreement(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> float:
    """How often two lists of answers would agree by chance, as in Cohen's kappa (1960)."""
    classes = 1 + int(max(first.max(), second.max()))
    shares = [np.bincount(each, minlength=classes) / len(each) for each in (first, second)]
    return float(shares[0] @ shares[1])


def _in_one_place(places: Sequence[npt.NDArray[np.float32]]) -> list[Share]:
    """Each map's share in the one cell of the picture that has most of all maps' evidence."""
    if not places:
        return []
    stacked = np.stack(places)
    strongest = int(stacked.mean(axis=0).argmax())
    return [Share(float(each), 1 / PLACES) for each in stacked[:, strongest]]
