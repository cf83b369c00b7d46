"""Integrated gradients (Sundararajan, Taly & Yan 2017, arXiv 1703.01365)."""

from __future__ import annotations

import torch

from videovisual.attribution.method import Case, to_map
from videovisual.attribution.parameters import IntegratedGradientsParameters
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency

INTENSITY = {"black": 0.0, "grey": 0.5}


def integrated_gradients(case: Case, parameters: IntegratedGradientsParameters) -> Attribution:
    """Gradients at the midpoints of equal steps from baseline to clip, averaged, times the way.

    The attributions of all pixels sum to the logit's rise from baseline to clip, up to the error
    of the sum; the diagnostics report it as `convergence_delta` (sum minus rise) and as
    `relative_delta` (that over |rise|).
    """
    baseline = case.flat(INTENSITY[parameters.baseline]).expand_as(case.clip)
    way = case.clip - baseline
    ends = yield Probe(torch.stack([baseline, case.clip]))
    rise = (ends.logits[1, case.target] - ends.logits[0, case.target]).item()

    midpoints = (torch.arange(parameters.steps, device=case.clip.device) + 0.5) / parameters.steps
    total = torch.zeros_like(case.clip)
    done = 0
    for chunk in torch.split(midpoints, case.batch):
        points = baseline + chunk.view(-1, 1, 1, 1, 1) * way
        reading = yield Probe(
            points,
            case.targets(len(chunk)),
            gradient=True,
            progress=Progress(done, parameters.steps),
        )
        assert reading.gradient is not None
        total += reading.gradient.sum(dim=0)
        done += len(chunk)

    attribution = way * total / parameters.steps
    delta = attribution.sum(dtype=torch.float64).item() - rise
    return Saliency(
        to_map(attribution.sum(dim=0)),
        signed=True,
        diagnostics={
            "logit_rise": rise,
            "convergence_delta": delta,
            "relative_delta": abs(delta) / max(abs(rise), 1e-12),
        },
    )
