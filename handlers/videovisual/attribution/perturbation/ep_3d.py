"""3D-EP: extremal perturbation over space-time (Li et al. 2021, arXiv 2005.00375)."""

from __future__ import annotations

from videovisual.attribution.method import Case
from videovisual.attribution.parameters import PerturbationParameters
from videovisual.attribution.perturbation.optimiser import search
from videovisual.attribution.perturbation.preset import Goal, published, quick
from videovisual.engine.probe import Attribution

GOAL = Goal(score=100.0)
PRESETS = {"default": quick(GOAL, rate=3.0, momentum=0.5), "reference": published(GOAL)}


def ep_3d(case: Case, parameters: PerturbationParameters) -> Attribution:
    """The mask that keeps (or loses) the target best and covers the area of the clip as a whole.

    It may spend its area on some frames and leave others out. Unsigned, in [0, 1]; diagnostics
    as of `ep_2d`.
    """
    return search(case, parameters, PRESETS[parameters.preset])
