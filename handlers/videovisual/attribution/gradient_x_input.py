"""Gradient × input (Shrikumar et al. 2016, arXiv 1605.01713)."""

from videovisual.attribution.method import Case, to_map
from videovisual.attribution.parameters import Parameters
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency


def gradient_x_input(case: Case, parameters: Parameters) -> Attribution:
    """The gradient of the target's logit times the input, summed over channels.

    The input is in the model's space, whose zero is mid-grey where the transform centres pixels.
    Signed.
    """
    del parameters
    reading = yield Probe(case.clip[None], case.targets(1), gradient=True, progress=Progress(0, 1))
    assert reading.gradient is not None
    return Saliency(to_map((reading.gradient[0] * case.clip).sum(dim=0)), signed=True)
