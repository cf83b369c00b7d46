"""3D-EP: extremal perturbation over space-time (Li et al. 2021, arXiv 2005.00375)."""

from __future__ import annotations

from videovisual.attribution.method import Case
from videovisual.attribution.parameters import PerturbationParameters
from videovisual.attribution.perturbation.optimiser import optimise
from videovisual.attribution.perturbation.preset import Goal, default_preset, reference_preset
from videovisual.engine.probe import Attribution

GOAL = Goal(score=100.0)
PRESETS = {
    "default": default_preset(GOAL, rate=3.0, momentum=0.5),
    "reference": reference_preset(GOAL),
}


def ep_3d(case: Case, parameters: PerturbationParameters) -> Attribution:
    """The mask that best keeps (or removes) the target and covers the area of the whole clip.

    It may use its area in some frames and leave others out. Unsigned, in [0, 1]; diagnostics as in
    `ep_2d`.
    """
    return optimise(case, parameters, PRESETS[parameters.preset])
