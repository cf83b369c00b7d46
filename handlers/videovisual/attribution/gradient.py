"""Gradient saliency (Simonyan, Vedaldi & Zisserman 2014, arXiv 1312.6034)."""

from videovisual.attribution.method import Case, to_map
from videovisual.attribution.parameters import Parameters
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency


def gradient(case: Case, parameters: Parameters) -> Attribution:
    """The largest absolute gradient of the target's logit over a pixel's three channels.

    Unsigned: it shows where a small change matters, not in which direction.
    """
    del parameters
    reading = yield Probe(case.clip[None], case.targets(1), gradient=True, progress=Progress(0, 1))
    assert reading.gradient is not None
    return Saliency(to_map(reading.gradient[0].abs().amax(dim=0)), signed=False)
