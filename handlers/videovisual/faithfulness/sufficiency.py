"""Sufficiency and necessity of a map's highest pixels, over several ways of hiding the rest.

Comprehensiveness and sufficiency: DeYoung et al. 2020, arXiv 1911.03429. They hide in one way; here
the mean is taken over many, because a mask that was found with one way of hiding may be a pattern
that fools the network in that way alone, and a hard edge is an object of its own to a network.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from videovisual.attribution.method import Case
from videovisual.engine.probe import Work
from videovisual.engine.scores import Scores
from videovisual.faithfulness.hiding import FEATHERS, FILLS, WAYS, edges, fills
from videovisual.faithfulness.ranks import top_share
from videovisual.faithfulness.scoring import Values, target_scores
from videovisual.saliency import Map

AREA = 0.1
"""The share of the clip that is shown or hidden, for maps without an area of their own."""

PASSES = 1 + FILLS + 2 * WAYS

HALF = 0.5
"""The share of the target that a way must keep to count as holding."""

NO_TOP = "too many pixels of the map are equal to tell which of them are the strongest"
NO_RISE = "the target is no more likely in the clip than with everything hidden"
"""Why sufficiency and necessity have no value."""


@dataclass(frozen=True)
class Retention:
    """What is left of the target in each way of hiding.

    Attributes:
        area: the share of the clip's pixels that is shown or hidden.
        shown: float64 [ways], the target's probability with only these pixels shown, over the
            clip's own. Of raw scores both are measured from the score with everything hidden.
        hidden: float64 [ways], the same with these pixels hidden.
        nothing: float64 [fills], the same with everything hidden; 0 for raw scores.
    """

    area: float
    shown: Values
    hidden: Values
    nothing: Values

    @property
    def sufficiency(self) -> float:
        """The mean over the ways of what is kept, 0 to 1; more than the clip's own counts as 1.

        Otherwise one way that brings ten times the clip's own would outweigh nine that bring none.
        """
        return float(self._kept.mean())

    @property
    def sufficiency_spread(self) -> float:
        """The standard deviation of what is kept over the ways."""
        return float(self._kept.std())

    @property
    def sufficiency_held(self) -> float:
        """The share of the ways that keep at least half."""
        return float((self._kept >= HALF).mean())

    @property
    def sufficiency_floor(self) -> float:
        """What is kept with everything hidden: a map has to exceed it."""
        return float(self.nothing.clip(0, 1).mean())

    @property
    def necessity(self) -> float:
        """The mean over the ways of what is lost with the pixels hidden, 0 to 1."""
        return float(self._lost.mean())

    @property
    def necessity_spread(self) -> float:
        """The standard deviation of what is lost over the ways."""
        return float(self._lost.std())

    @property
    def _kept(self) -> Values:
        return self.shown.clip(0, 1)

    @property
    def _lost(self) -> Values:
        return 1 - self.hidden.clip(0, 1)


def retention(case: Case, values: Map, area: float = AREA) -> Work[Retention | None]:
    """Show only a map's highest pixels, and hide only them, in every way of `hiding`.

    Args:
        case: the clip and the target.
        values: the map, float32 [T, H, W].
        area: the share of the clip to show or to hide, in (0, 1); equal values are not parted.

    Returns:
        None where it is undefined: no such share can be told from the rest, or the target is no
        more likely in the clip than with everything hidden.
    """
    top = top_share(values, area)
    if top is None:
        return None
    masks = edges(case, torch.from_numpy(top).to(case.clip.device))
    scores = yield from target_scores(case, _clips(case, masks))
    whole, rest = scores[0], scores[1:].reshape(FILLS, 1 + 2 * len(FEATHERS))
    # A probability's zero is zero; a raw score's is what the network says of the hidden clip.
    zero = rest[:, :1] if case.scores is Scores.RAW else np.zeros((FILLS, 1))
    if whole <= max(zero.max(), rest[:, 0].mean()):
        return None
    kept = (rest - zero) / (whole - zero)
    shown, hidden = np.split(kept[:, 1:], 2, axis=1)
    return Retention(float(top.mean()), shown.ravel(), hidden.ravel(), kept[:, 0])


def _clips(case: Case, masks: list[torch.Tensor]) -> Iterator[torch.Tensor]:
    """The clip; then for each fill: all hidden, only the masks shown, only the masks hidden."""
    yield case.clip
    for fill in fills(case):
        yield fill
        for mask in masks:
            yield torch.lerp(fill, case.clip, mask)
        for mask in masks:
            yield torch.lerp(case.clip, fill, mask)
