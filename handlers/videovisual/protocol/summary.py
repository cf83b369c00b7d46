"""What an explanation comes to, in quantities: what, when, where, how sure, and what speaks against
it. `sentences` puts them into words."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from videovisual.protocol.answers import Answer, Explanation, Prediction
from videovisual.protocol.caveats import MAX_ENTROPY, caveats, map_cells, time_cells
from videovisual.protocol.measure_caveats import MIN_AGREEMENT
from videovisual.protocol.moment import frames_named, moments, seconds_named

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

MIN_EXCESS = 0.1
"""Parts whose share of the evidence exceeds an even share by less are not named."""


@dataclass(frozen=True)
class Part:
    """A part of the clip that holds more of the evidence than its size would have.

    Attributes:
        name: as it is told, after `in`.
        share: of the evidence, the sum of |map|.
        even: the share of a map that has the same value everywhere.
    """

    name: str
    share: float
    even: float

    @property
    def excess(self) -> float:
        """By how much the share is above the even one."""
        return self.share - self.even


@dataclass(frozen=True)
class Effect:
    """What is left of the target when a part of the clip is hidden, or shown alone.

    Attributes:
        area: the part's share of the clip.
        hidden: the target's probability with the part hidden; of raw scores, the share of the rise
            over the hidden clip that is kept. None where it wasn't measured.
        shown: the same with nothing else shown.
        of_mask: whether the part is a search's mask, and not the map's strongest pixels.
    """

    area: float
    hidden: float | None
    shown: float | None
    of_mask: bool


@dataclass(frozen=True)
class Summary:
    """The quantities of one explanation.

    Attributes:
        model, method: names.
        target: the class that is explained.
        rival: the best of the other classes that the answer lists; None if it lists none.
        is_best: whether no listed class is above the target.
        scores: what the model's scores mean, as of a `ModelCard`.
        near_chance: whether the model hardly prefers any class.
        polarity: which side of a signed map it is.
        is_constant: whether the map is the same everywhere.
        moment: when most of the evidence is; None where it is spread nearly evenly.
        place: where in the picture it is, likewise.
        tells_time, tells_place: whether the map can tell.
        against: of a map of both signs, the share of the evidence that is against the target.
        effect: what hiding does, where that was measured.
        agreement: the least correlation of maps of inputs that look the same, where it was measured
            and the map is stable.
        caveats: the names of the caveats.
    """

    model: str
    method: str
    target: Prediction
    rival: Prediction | None
    is_best: bool
    scores: Literal["softmax", "sigmoid", "raw"]
    near_chance: bool
    polarity: str
    is_constant: bool
    moment: Part | None
    place: Part | None
    tells_time: bool
    tells_place: bool
    against: float | None
    effect: Effect | None
    agreement: float | None
    caveats: tuple[str, ...]

    @classmethod
    def of(cls, explanation: Explanation, answer: Answer) -> "Summary":
        """Measure an explanation.

        Args:
            explanation: with its map.
            answer: that it belongs to.

        Raises:
            MissingExtra: numpy is not installed.
        """
        target, facts = explanation.target, explanation.diagnostics
        others = [each for each in answer.predictions if each.index != target.index]
        first = answer.predictions[0] if answer.predictions else target
        values = explanation.map.to_numpy()
        size = abs(values)
        picture = size.sum(axis=0, dtype="float64")
        total = float(picture.sum())
        cells = map_cells(facts)
        below = total - float(values.sum(dtype="float64"))
        agreement = (explanation.faithfulness or {}).get("stability")
        raw = target.probability is None
        entropy = facts.get("prediction_entropy")
        return cls(
            model=answer.model,
            method=explanation.method,
            target=target,
            rival=others[0] if others else None,
            is_best=first.index == target.index or first.logit <= target.logit,
            scores="raw" if raw else explanation.provenance.get("scores", "softmax"),
            near_chance=entropy is not None and entropy > MAX_ENTROPY,
            polarity=explanation.provenance.get("polarity", "both"),
            is_constant=bool(values.min() == values.max()),
            moment=_moment(explanation) if total else None,
            place=_named(_places(picture / total)) if total else None,
            tells_time=time_cells(explanation) > 1,
            tells_place=cells is None or max(cells[1:]) > 1,
            against=below / 2 / total if explanation.signed and total else None,
            effect=_effect(explanation),
            agreement=None if agreement is None or agreement < MIN_AGREEMENT else agreement,
            caveats=tuple(dict.fromkeys(text.partition(":")[0] for text in caveats(explanation))),
        )


def _named(parts: Iterator[Part]) -> Part | None:
    """The part whose share is most above an even one, if it is far enough above."""
    best = max(parts, key=lambda part: part.excess)
    return best if best.excess >= MIN_EXCESS else None


def _moment(explanation: Explanation) -> Part | None:
    """The moments in a row whose share is most above an even one."""
    curve = explanation.curve
    sums = list(itertools.accumulate(curve, initial=0.0))
    run, start, excess, most = (0, 0), 0, 0.0, 0.0
    for first, last in moments(explanation):
        if excess <= 0:
            start, excess = first, 0.0
        excess += sums[last + 1] - sums[first] - (last + 1 - first) / len(curve)
        if excess > most:
            run, most = (start, last), excess
    name = seconds_named(explanation, run) or frames_named(explanation, run)
    share = sums[run[1] + 1] - sums[run[0]]
    return _named(iter([Part(name, share, (run[1] + 1 - run[0]) / len(curve))]))


def _places(picture: "Floats") -> Iterator[Part]:
    """Halves, quarters, the middle quarter and what is around it.

    Args:
        picture: float64 [H, W], the share of the evidence at each place.
    """
    import numpy as np  # noqa: PLC0415

    rows, columns = ((np.arange(side) + 0.5) / side for side in picture.shape)
    down = {"": rows < 1, "upper": rows < 0.5, "lower": rows >= 0.5}
    across = {"": columns < 1, "left": columns < 0.5, "right": columns >= 0.5}
    for (high, high_rows), (wide, wide_columns) in itertools.product(down.items(), across.items()):
        if high or wide:
            name = " ".join(filter(None, (high, wide, "quarter" if high and wide else "half")))
            yield _part(picture, f"the {name}", high_rows, wide_columns)
    middle = _part(picture, "the middle quarter", abs(rows - 0.5) < 0.25, abs(columns - 0.5) < 0.25)
    yield middle
    yield Part("the part around the middle quarter", 1 - middle.share, 1 - middle.even)


def _part(
    picture: "Floats", name: str, rows: "npt.NDArray[np.bool_]", columns: "npt.NDArray[np.bool_]"
) -> Part:
    share = float(picture[rows][:, columns].sum())
    return Part(name, share, float(rows.mean() * columns.mean()))


def _effect(explanation: Explanation) -> Effect | None:
    """By the measures, or else by a search's own mask, of several the largest."""
    scores, likely = explanation.faithfulness or {}, explanation.target.probability
    area, lost, kept = (scores.get(name) for name in ("area", "necessity", "sufficiency"))
    if area is not None and lost is not None and kept is not None:
        whole = 1.0 if likely is None else likely
        return Effect(area, whole * (1 - lost), whole * kept, of_mask=False)
    masks: list[Mapping[str, Any]] = explanation.diagnostics.get("areas") or []
    behind = [each for each in masks if _hidden(each) is not None or _shown(each) is not None]
    if likely is None or not behind:
        return None
    mask = max(behind, key=lambda each: each["achieved_area"])
    return Effect(mask["achieved_area"], _hidden(mask), _shown(mask), of_mask=True)


def _hidden(mask: Mapping[str, Any]) -> float | None:
    return (mask.get("probability_delete") or {}).get("soft")


def _shown(mask: Mapping[str, Any]) -> float | None:
    return (mask.get("probability_preserve") or {}).get("soft")
