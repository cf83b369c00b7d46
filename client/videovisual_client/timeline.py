"""The classes over a long film, and the moments at which each of them leads."""

from __future__ import annotations

import base64
import math
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from videovisual.protocol import Answer, Prediction

LIKELY = 0.5
"""The probability from which on a class is present, also where another leads: of the classes of a
model with several labels, many may be."""

TICK_S = 1e-6
"""Times that differ by less are the same."""

LANES = 12
"""The most classes with a lane of their own."""

LISTED = 3
"""Classes of each window that the page names."""


class Score(NamedTuple):
    """A class's score in one window."""

    kind: int
    probability: float | None
    logit: float

    @property
    def strength(self) -> tuple[float, float]:
        """The larger, the likelier; logits tell apart what rounds to the same probability."""
        return (self.logit if self.probability is None else self.probability), self.logit


@dataclass(frozen=True)
class Window:
    """One second of the film, and what the model sees around it.

    Attributes:
        start_s, end_s: the second, in seconds from the film's first frame.
        sees_s: where the model's window begins and ends, in the same seconds.
        scores: of the listed classes, best first.
    """

    start_s: float
    end_s: float
    sees_s: tuple[float, float]
    scores: tuple[Score, ...]

    def of(self, index: int) -> Score | None:
        """The score of a class; None if it isn't listed."""
        return next((score for score in self.scores if score.kind == index), None)


@dataclass(frozen=True)
class Moment:
    """A run of windows in which a class leads, or is likelier than not.

    Attributes:
        index: the class.
        start_s, end_s: in seconds from the film's first frame.
        best: the window in which the class is likeliest.
        score: its score there.
    """

    index: int
    start_s: float
    end_s: float
    best: Window
    score: Score


@dataclass
class Timeline:
    """The windows of a film, in order.

    Attributes:
        labels: of the classes that occur, by index.
        windows: one a second.
    """

    labels: dict[int, str] = field(default_factory=dict)
    windows: list[Window] = field(default_factory=list)

    @classmethod
    def of_answer(
        cls,
        answer: Answer,
        begin_s: float,
        span: tuple[float, float],
        top_k: int,
        targets: Sequence[int] = (),
    ) -> Timeline:
        """The part of a timeline that an answer about a piece of the film gives.

        Args:
            answer: to a request with `timeline=true`; its times are those of the piece.
            begin_s: when the piece's first frame is shown, in the film's seconds.
            span: only the seconds that begin in it are taken, in the film's seconds.
            top_k: how many of the best classes of each window are kept.
            targets: classes that are kept in any case.
        """
        found = cls()
        for second, facts in zip(answer.timeline, answer.clip["windows"], strict=True):
            begin = round(second.start_s + begin_s, 6)
            if not span[0] - TICK_S <= begin < span[1] - TICK_S:
                continue
            kept = [
                each
                for place, each in enumerate(second.predictions)
                if place < top_k or each.index in targets
            ]
            found.labels |= {each.index: each.label for each in kept}
            scores = tuple(Score(each.index, each.probability, each.logit) for each in kept)
            sees = round(facts["start_s"] + begin_s, 6), round(facts["end_s"] + begin_s, 6)
            found.windows.append(Window(begin, round(second.end_s + begin_s, 6), sees, scores))
        return found

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Timeline:
        """A timeline from the JSON of its `asdict`."""
        windows = [
            Window(
                each["start_s"],
                each["end_s"],
                (each["sees_s"][0], each["sees_s"][1]),
                tuple(Score(*score) for score in each["scores"]),
            )
            for each in data["windows"]
        ]
        return cls({int(index): label for index, label in data["labels"].items()}, windows)

    @property
    def margin_s(self) -> int:
        """How many seconds around its own one the model sees at most, on each side."""
        longest = max((each.sees_s[1] - each.sees_s[0] for each in self.windows), default=1.0)
        return max(math.ceil((longest - 1) / 2 - TICK_S), 0)

    def extend(self, later: Timeline) -> None:
        """Add what follows."""
        self.labels |= later.labels
        self.windows += later.windows

    def prediction(self, score: Score) -> Prediction:
        """The score with its class's name."""
        kind, probability, logit = score
        label = self.labels[kind]
        return Prediction(index=kind, label=label, probability=probability, logit=logit)

    def moments(self, targets: Sequence[int] = ()) -> list[Moment]:
        """The moments, in order of their start.

        Args:
            targets: the only classes that count, each with one moment at least: its best window.
                All that lead somewhere, if there are none.
        """
        found: list[Moment] = []
        runs: dict[int, list[Window]] = {}
        for window in self.windows:
            now = {index for index in _present(window) if not targets or index in targets}
            found += [_moment(index, runs.pop(index)) for index in runs.keys() - now]
            for index in now:
                runs.setdefault(index, []).append(window)
        found += [_moment(index, run) for index, run in runs.items()]
        for index in {*targets} - {moment.index for moment in found}:
            listed = [window for window in self.windows if window.of(index) is not None]
            found += [_moment(index, [_best(index, listed)])] if listed else []
        return sorted(found, key=lambda moment: (moment.start_s, moment.index))

    def to_json(self) -> dict[str, Any]:
        """The windows as JSON values."""
        return {
            "windows": [
                {
                    "start_s": window.start_s,
                    "end_s": window.end_s,
                    "sees_s": window.sees_s,
                    "predictions": [
                        self.prediction(score).model_dump(mode="json") for score in window.scores
                    ],
                }
                for window in self.windows
            ]
        }

    def moment_json(self, moment: Moment) -> dict[str, Any]:
        """A moment as JSON values."""
        return {
            "class": self.prediction(moment.score).model_dump(mode="json"),
            "start_s": moment.start_s,
            "end_s": moment.end_s,
            "best": {
                "start_s": moment.best.start_s,
                "end_s": moment.best.end_s,
                "sees_s": moment.best.sees_s,
            },
        }

    def drawn(self, moments: Sequence[Moment], targets: Sequence[int] = ()) -> dict[str, Any]:
        """What a page draws: the lanes of the classes that lead longest, and every window's best.

        Arrays are base64 of little-endian float32 or int32; NaN stands for a class that isn't
        listed in a window.

        Args:
            moments: of this timeline.
            targets: the classes that have a lane in any case.
        """
        led: dict[int, float] = dict.fromkeys(targets, 0.0)
        for moment in moments:
            led[moment.index] = led.get(moment.index, 0.0) + moment.end_s - moment.start_s
        order = sorted(led, key=lambda index: (index in targets, led[index]), reverse=True)
        none = Score(-1, None, float("nan"))
        best = [(*window.scores, *[none] * LISTED)[:LISTED] for window in self.windows]
        flat = [score for scores in best for score in scores]
        is_raw = self.windows[0].scores[0].probability is None
        known = [_value(score) for window in self.windows for score in window.scores]
        return {
            "start_s": self.windows[0].start_s,
            "end_s": self.windows[-1].end_s,
            "count": len(self.windows),
            "measure": "score" if is_raw else "probability",
            "range": [min(known), max(*known, min(known) + 1e-6)] if is_raw else [0, 1],
            "labels": self.labels,
            "lanes": [
                {
                    "class": index,
                    "led_s": led[index],
                    "values": _packed("f", [_value(window.of(index)) for window in self.windows]),
                }
                for index in order[:LANES]
            ],
            "listed": LISTED,
            "classes": _packed("i", [score.kind for score in flat]),
            "values": _packed("f", [_value(score) for score in flat]),
        }


def strongest(moments: Sequence[Moment], count: int | None) -> list[Moment]:
    """The moments to explain: the best of each class, then the others, likeliest first.

    Args:
        moments: of a timeline.
        count: the most; None for all.
    """
    ranked = sorted(moments, key=lambda moment: moment.score.strength, reverse=True)
    first = {moment.index: moment for moment in reversed(ranked)}
    best = [moment for moment in ranked if first[moment.index] is moment]
    others = [moment for moment in ranked if first[moment.index] is not moment]
    return [*best, *others][:count]


def _present(window: Window) -> Iterator[int]:
    for place, score in enumerate(window.scores):
        if place == 0 or (score.probability or 0.0) >= LIKELY:
            yield score.kind


def _moment(index: int, run: Sequence[Window]) -> Moment:
    best = _best(index, run)
    score = best.of(index)
    assert score is not None
    return Moment(index, run[0].start_s, run[-1].end_s, best, score)


def _best(index: int, windows: Sequence[Window]) -> Window:
    def strength(window: Window) -> tuple[float, float]:
        score = window.of(index)
        return (float("-inf"),) * 2 if score is None else score.strength

    return max(windows, key=strength)


def _value(score: Score | None) -> float:
    if score is None:
        return float("nan")
    return score.logit if score.probability is None else score.probability


def _packed(kind: str, values: Sequence[float]) -> str:
    packed = array(kind, values)
    return base64.b64encode(packed.tobytes()).decode()
