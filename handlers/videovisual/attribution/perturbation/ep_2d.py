"""2D-EP: extremal perturbation (Fong et al. 2019, arXiv 1910.08485), in each frame its own area."""

from __future__ import annotations

from videovisual.attribution.method import Case
from videovisual.attribution.parameters import PerturbationParameters
from videovisual.attribution.perturbation.optimiser import search
from videovisual.attribution.perturbation.preset import Goal, published, quick
from videovisual.engine.probe import Attribution

GOAL = Goal(score=100.0, by_frame=True)
PRESETS = {"default": quick(GOAL), "reference": published(GOAL)}


def ep_2d(case: Case, parameters: PerturbationParameters) -> Attribution:
    """The mask that keeps (or loses) the target best and covers the area in every frame.

    Unsigned, in [0, 1]: how much of a pixel the mask shows. The diagnostics tell of each area the
    achieved one and the target's probability behind the mask, soft and cut hard.
    """
    return search(case, parameters, PRESETS[parameters.preset])
