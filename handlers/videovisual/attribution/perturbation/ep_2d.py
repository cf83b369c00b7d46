"""2D-EP: extremal perturbation (Fong et al. 2019, arXiv 1910.08485), with an area per frame."""

from __future__ import annotations

from videovisual.attribution.method import Case
from videovisual.attribution.parameters import PerturbationParameters
from videovisual.attribution.perturbation.optimiser import optimise
from videovisual.attribution.perturbation.preset import Goal, default_preset, reference_preset
from videovisual.engine.probe import Attribution

GOAL = Goal(score=100.0, by_frame=True)
PRESETS = {"default": default_preset(GOAL), "reference": reference_preset(GOAL)}


def ep_2d(case: Case, parameters: PerturbationParameters) -> Attribution:
    """The mask that best keeps (or removes) the target and covers the area in every frame.

    Unsigned, in [0, 1]: how much of a pixel the mask shows. For each area the diagnostics give the
    achieved area and the target's probability with the soft and the hard mask.
    """
    return optimise(case, parameters, PRESETS[parameters.preset])
