"""All measures of one map against the network that it explains."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from videovisual.attribution.method import Case
from videovisual.engine.probe import Work
from videovisual.faithfulness.curves import (
    POINTS,
    SAME_HALVES,
    SUBSETS,
    insertion_deletion,
    sensitivity_n,
)
from videovisual.faithfulness.ranks import top_share
from videovisual.faithfulness.salience_groups import GROUPS, SAME_GROUPS, saco
from videovisual.faithfulness.scoring import counted
from videovisual.faithfulness.sufficiency import AREA, NO_RISE, NO_TOP, PASSES, Retention, retention
from videovisual.saliency import Saliency

EVALUATION = 2 * (POINTS + 1) + SUBSETS + 1 + PASSES + GROUPS + 1
"""The most passes of `evaluate`."""

OF_RETENTION = (
    "area",
    "sufficiency",
    "sufficiency_spread",
    "sufficiency_held",
    "sufficiency_floor",
    "necessity",
    "necessity_spread",
)
"""The measures that `retention` gives."""


@dataclass(frozen=True)
class Faithfulness:
    """Measures of a map against the network that it explains.

    Attributes:
        insertion: mean target probability, or raw score, while a blurred clip becomes sharp, most
            salient pixels first; higher is better.
        deletion: mean target probability, or raw score, while the clip becomes blurred, most
            salient pixels first; lower is better.
        sensitivity_n: correlation, over random halves of the clip, between the attribution in a
            half and the logit's fall when that half is blurred; -1 to 1, higher is better. None
            where it is undefined: the halves' attributions, or the falls, are all the same.
        relative_delta: the share of the logit's rise by which the map's sum misses it; None if
            the method doesn't report it.
        area: the share of highest pixels that sufficiency and necessity show or hide.
        sufficiency: the target's probability with only these pixels shown, over the clip's own;
            mean over twelve ways of hiding the rest, each at most 1; higher is better.
        sufficiency_spread: its standard deviation over the ways.
        sufficiency_held: the share of the ways that keep at least half.
        sufficiency_floor: sufficiency with nothing shown, which a map has to exceed.
        necessity: the share of the target's probability that is lost with these pixels hidden;
            mean over the ways, each at least 0; higher is better.
        necessity_spread: its standard deviation over the ways.
        saco: the salience-guided faithfulness coefficient; -1 to 1, higher is better.
        undefined: measures without a value, and why.
    """

    insertion: float
    deletion: float
    sensitivity_n: float | None
    relative_delta: float | None
    area: float | None = None
    sufficiency: float | None = None
    sufficiency_spread: float | None = None
    sufficiency_held: float | None = None
    sufficiency_floor: float | None = None
    necessity: float | None = None
    necessity_spread: float | None = None
    saco: float | None = None
    undefined: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, float | None]:
        """The measures by name."""
        names = [each.name for each in fields(self) if each.name != "undefined"]
        return {name: getattr(self, name) for name in names}


def evaluate(
    case: Case,
    saliency: Saliency,
    *,
    points: int = POINTS,
    subsets: int = SUBSETS,
    area: float | None = None,
) -> Work[Faithfulness]:
    """Measure a map with the network that it explains, in at most `EVALUATION` passes.

    Args:
        case: the clip and the target. Its seed is that of the measures too.
        saliency: the explanation, with a map [T, H, W] of the case's clip.
        points: steps of the insertion and deletion curves.
        subsets: random halves for sensitivity-n, drawn from the case's seed.
        area: the share of highest pixels that sufficiency and necessity show or hide; by default
            the largest area that the map's method was asked for, else 0.1.
    """
    total = EVALUATION + 2 * (points - POINTS) + subsets - SUBSETS
    chosen = area_of(saliency) if area is None else area
    return counted(_evaluate(case, saliency, points, subsets, chosen), total)


def area_of(saliency: Saliency) -> float:
    """The largest area that a map's method was asked for; 0.1 for methods without one."""
    areas = [each["area"] for each in saliency.diagnostics.get("areas") or ()]
    return max(areas, default=AREA)


def _evaluate(
    case: Case, saliency: Saliency, points: int, subsets: int, area: float
) -> Work[Faithfulness]:
    values = saliency.map
    insertion, deletion = yield from insertion_deletion(case, values, points)
    sensitivity = yield from sensitivity_n(case, values, subsets)
    kept = yield from retention(case, values, area)
    salience = yield from saco(case, values)
    undefined = {}
    if sensitivity is None:
        undefined["sensitivity_n"] = SAME_HALVES
    if kept is None:
        reason = NO_TOP if top_share(values, area) is None else NO_RISE
        undefined |= {"sufficiency": reason, "necessity": reason}
    if salience is None:
        undefined["saco"] = SAME_GROUPS
    return Faithfulness(
        insertion=insertion,
        deletion=deletion,
        sensitivity_n=sensitivity,
        relative_delta=saliency.diagnostics.get("relative_delta"),
        saco=salience,
        undefined=undefined,
        **_retained(kept),
    )


def _retained(kept: Retention | None) -> dict[str, float]:
    return {} if kept is None else {name: getattr(kept, name) for name in OF_RETENTION}
