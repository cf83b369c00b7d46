"""STEP: spatio-temporal extremal perturbation (Li et al. 2021, arXiv 2005.00375)."""

from __future__ import annotations

from videovisual.attribution.method import Case
from videovisual.attribution.parameters import PerturbationParameters
from videovisual.attribution.perturbation.optimiser import optimise
from videovisual.attribution.perturbation.preset import Goal, default_preset, reference_preset
from videovisual.engine.probe import Attribution

PRESETS = {
    "default": default_preset(Goal(score=1.0, core=300.0, core_from=10), iterations=100),
    "reference": reference_preset(Goal(score=1.0, growth=1.0008668, core=300.0, core_from=100)),
}


def step(case: Case, parameters: PerturbationParameters) -> Attribution:
    """As `ep_3d`, with a core term that favours few solid regions of space-time.

    Unsigned, in [0, 1]; diagnostics as in `ep_2d`.
    """
    return optimise(case, parameters, PRESETS[parameters.preset])
