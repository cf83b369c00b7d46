"""The methods by extremal perturbation, which differ in their goals.

2D-EP: Fong, Patrick & Vedaldi 2019, arXiv 1910.08485. 3D-EP and STEP: Li et al. 2021, arXiv
2005.00375. Their maps are unsigned, in [0, 1]: how much of a pixel the mask shows, with
`preset=averaged` what showing it is worth, or a mean of both, the default of `ep_3d`. For each
area the diagnostics give the achieved area and the target's probability with the soft and the hard
mask.
"""

from videovisual.attribution.method import Case
from videovisual.attribution.perturbation.combined import combine
from videovisual.attribution.perturbation.optimiser import optimise
from videovisual.attribution.perturbation.parameters import PerturbationParameters
from videovisual.attribution.perturbation.preset import (
    STEADIER,
    Goal,
    WorthPreset,
    quick_preset,
    reference_preset,
)
from videovisual.attribution.perturbation.worth import search
from videovisual.engine.probe import Attribution

EP_2D, EP_3D = Goal(score=100.0, by_frame=True), Goal(score=100.0)
PRESETS = {
    "ep_2d": {"quick": quick_preset(EP_2D), "reference": reference_preset(EP_2D)},
    "ep_3d": {
        "quick": quick_preset(EP_3D, rate=3.0, momentum=0.5),
        "reference": reference_preset(EP_3D),
    },
    "step": {
        "quick": quick_preset(Goal(score=1.0, core=300.0, core_from=10), iterations=100),
        "reference": reference_preset(Goal(score=1.0, growth=1.0008668, core=300.0, core_from=100)),
    },
}
"""The descents by method and preset. By default `quick`, of which `ep_3d` makes more: `combine`."""

WORTH = WorthPreset()
"""The preset `averaged` of `ep_3d`."""


def ep_2d(case: Case, parameters: PerturbationParameters) -> Attribution:
    """The mask that best keeps (or removes) the target and covers the area in every frame."""
    return _descend("ep_2d", case, parameters)


def ep_3d(case: Case, parameters: PerturbationParameters) -> Attribution:
    """The mask that best keeps (or removes) the target and covers the area of the whole clip.

    It may use its area in some frames and leave others out. By default the map is a mean that does
    not hang on one way of hiding.
    """
    if parameters.preset == "averaged":
        return search(case, parameters, WORTH)
    if parameters.preset == "default":
        return combine(case, parameters, PRESETS["ep_3d"]["quick"], STEADIER)
    return _descend("ep_3d", case, parameters)


def step(case: Case, parameters: PerturbationParameters) -> Attribution:
    """As `ep_3d`, with a core term that favours few solid regions of space-time."""
    return _descend("step", case, parameters)


def _descend(method: str, case: Case, parameters: PerturbationParameters) -> Attribution:
    presets = PRESETS[method]
    return optimise(case, parameters, presets.get(parameters.preset, presets["quick"]))
