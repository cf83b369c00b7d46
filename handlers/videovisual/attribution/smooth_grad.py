"""SmoothGrad and its variants: gradients at many noisy copies of the clip.

Smilkov et al. 2017, arXiv 1706.03825; squared: Hooker et al. 2019, arXiv 1806.10758; variance:
Adebayo et al. 2018, arXiv 1810.03307.
"""

from functools import partial

import torch

from videovisual.attribution.method import Case, chunks, to_map
from videovisual.attribution.parameters import SmoothGradParameters
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency


def smooth_grad(case: Case, parameters: SmoothGradParameters) -> Attribution:
    """The absolute mean, mean square or variance of gradients at noisy copies of the clip.

    The noise is normal, with a share of the clip's range of values as its standard deviation. A
    pixel's value is the largest over its three channels. Unsigned.
    """
    generator = torch.Generator().manual_seed(case.seed)
    deviation = parameters.noise * (case.clip.max() - case.clip.min())
    first, second = torch.zeros_like(case.clip), torch.zeros_like(case.clip)
    done = 0
    for size in chunks(parameters.samples, case.batch):
        # One draw per copy, so that the noise doesn't depend on the batch size.
        shape = case.clip.shape
        noise = torch.stack([torch.randn(shape, generator=generator) for _ in range(size)])
        reading = yield Probe(
            case.clip + deviation * noise.to(case.clip.device),
            case.targets(size),
            gradient=True,
            progress=Progress(
                done,
                parameters.samples,
                partial=partial(_saliency, parameters, first, second, done) if done else None,
            ),
        )
        assert reading.gradient is not None
        first = first + reading.gradient.sum(dim=0)
        second = second + reading.gradient.square().sum(dim=0)
        done += size
    return _saliency(parameters, first, second, done)


def _saliency(
    parameters: SmoothGradParameters, first: torch.Tensor, second: torch.Tensor, done: int
) -> Saliency:
    """The map of `done` samples, whose gradients and squares sum to `first` and `second`."""
    mean, square = first / done, second / done
    values = {
        "mean": mean.abs(),
        "squared": square,
        "variance": (square - mean.square()).clamp(min=0),
    }[parameters.variant]
    return Saliency(
        to_map(values.amax(dim=0)),
        signed=False,
        diagnostics={"samples": done, "partial": done < parameters.samples},
    )
