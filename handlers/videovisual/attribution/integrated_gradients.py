"""Integrated gradients (Sundararajan, Taly & Yan 2017, arXiv 1703.01365)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch

from videovisual.attribution.baseline import baseline, noise
from videovisual.attribution.method import Case, to_map
from videovisual.attribution.parameters import (
    MAX_STEPS,
    REFINEMENT,
    Given,
    IntegratedGradientsParameters,
)
from videovisual.engine.probe import Attribution, Probe, Work
from videovisual.engine.progress import Progress
from videovisual.errors import InvalidParameter
from videovisual.saliency import Saliency

Rule = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Points in [0, 1] and their weights, which sum to 1."""


def _riemann(offset: float, steps: int) -> Rule:
    return (np.arange(steps) + offset) / steps, np.full(steps, 1 / steps)


def _gauss_legendre(steps: int) -> Rule:
    points, weights = np.polynomial.legendre.leggauss(steps)
    return (points + 1) / 2, weights / 2


RULES: Mapping[str, Callable[[int], Rule]] = {
    "midpoint": partial(_riemann, 0.5),
    "gauss_legendre": _gauss_legendre,
    "left": partial(_riemann, 0.0),
}


@dataclass
class Integral:
    """Weighted means over the points of all paths.

    Attributes:
        attribution: of gradient × path, summed over channels, [T, H, W].
        product: of the same times the point's slope.
        slope: of the logit's slope along the path, the sum of gradient × path.
        square: of the squared slope.
    """

    attribution: torch.Tensor
    product: torch.Tensor
    slope: float = 0.0
    square: float = 0.0

    def shrink(self, factor: float) -> None:
        """Multiply the weights of all points by a factor."""
        self.attribution *= factor
        self.product *= factor
        self.slope *= factor
        self.square *= factor

    def add(self, path: torch.Tensor, gradients: torch.Tensor, weights: torch.Tensor) -> None:
        """Add points of a path [3, T, H, W] with gradients [n, 3, T, H, W] and weights [n]."""
        shares = (gradients * path).sum(dim=1)
        slopes = shares.flatten(1).sum(dim=1, dtype=torch.float64)
        self.attribution += torch.tensordot(weights, shares, dims=1)
        self.product += torch.tensordot(weights * slopes.float(), shares, dims=1)
        self.slope += float(weights.double() @ slopes)
        self.square += float(weights.double() @ slopes.square())

    def complete(self, rise: float) -> bool:
        """Adjust the points' weights so that the attribution sums to the logit's rise.

        Each weight is multiplied by 1 + λ (slope − mean slope). The weights still sum to 1, and no
        others that reach the rise are closer to the rule's (Deville & Särndal 1992, doi
        10.1080/01621459.1992.10475217).

        Returns:
            Whether the weights were adjusted; not if the slopes vary too little.
        """
        variance = self.square - self.slope**2
        missing = rise - self.slope
        if missing**2 >= variance:
            return False
        self.attribution += missing / variance * (self.product - self.slope * self.attribution)
        return True


def integrated_gradients(case: Case, parameters: IntegratedGradientsParameters) -> Attribution:
    """Gradients averaged along the path from baseline to clip by a quadrature rule, times the path.

    The attributions sum to the logit's rise from baseline to clip, up to the rule's error. The
    diagnostics report the error as `convergence_delta` (sum − rise) and as `relative_delta` (its
    share of |rise|). With `complete` the weights of the points are adjusted so that the map sums
    to the rise, and `complete` in the diagnostics tells whether that was possible. With several
    noise baselines, attributions and rises are averaged. With a `tolerance` the points are tripled
    until `relative_delta` is within it or there would be more than `MAX_STEPS`; `steps` and
    `converged` report the outcome. Signed.

    Raises:
        InvalidParameter: a given baseline that is not finite or not of the clip's shape; a
            tolerance with another rule than midpoint.
    """
    _check_rule(parameters)
    scores = []
    for end in chain(_starts(case, parameters), [case.clip]):
        reading = yield Probe(end[None])
        scores.append(reading.logits[0, case.target].double())
    rise = (scores[-1] - torch.stack(scores[:-1]).mean()).item()

    integral = Integral(torch.zeros_like(case.clip[0]), torch.zeros_like(case.clip[0]))
    for steps, rule in _refinements(parameters):
        integral.shrink(1 / REFINEMENT)
        yield from _integrate(case, parameters, integral, steps, rule)
        delta = integral.slope - rise
        relative_delta = abs(delta) / max(abs(rise), 1e-12)
        if parameters.tolerance is not None and relative_delta <= parameters.tolerance:
            break
    diagnostics = {
        "logit_rise": rise,
        "convergence_delta": delta,
        "relative_delta": relative_delta,
        "steps": steps,
    }
    if parameters.tolerance is not None:
        diagnostics["converged"] = relative_delta <= parameters.tolerance
    if parameters.complete:
        diagnostics["complete"] = integral.complete(rise)
    return Saliency(to_map(integral.attribution), signed=True, diagnostics=diagnostics)


def _refinements(parameters: IntegratedGradientsParameters) -> Iterator[tuple[int, Rule]]:
    """The number of points and the rule, then for each refinement the new points alone."""
    steps = parameters.steps
    yield steps, RULES[parameters.rule](steps)
    while parameters.tolerance is not None and REFINEMENT * steps <= MAX_STEPS:
        steps *= REFINEMENT
        points, weights = RULES["midpoint"](steps)
        new = np.arange(steps) % REFINEMENT != REFINEMENT // 2
        yield steps, (points[new], weights[new])


def _integrate(
    case: Case,
    parameters: IntegratedGradientsParameters,
    integral: Integral,
    steps: int,
    rule: Rule,
) -> Work[None]:
    """Add the rule's points on the paths from all baselines."""
    points, weights = (torch.from_numpy(values).float().to(case.clip.device) for values in rule)
    of = parameters.paths * steps
    done = parameters.paths * (steps - len(points))
    for start in _starts(case, parameters):
        path = case.clip - start
        chunks = (torch.split(points, case.batch), torch.split(weights, case.batch))
        for places, shares in zip(*chunks, strict=True):
            reading = yield Probe(
                start + places.view(-1, 1, 1, 1, 1) * path,
                case.targets(len(places)),
                gradient=True,
                progress=Progress(done, of),
            )
            assert reading.gradient is not None
            integral.add(path, reading.gradient, shares / parameters.paths)
            done += len(places)


def _check_rule(parameters: IntegratedGradientsParameters) -> None:
    if parameters.tolerance is not None and parameters.rule != "midpoint":
        raise InvalidParameter(
            f"rule={parameters.rule} has no tolerance: only midpoint can be refined. "
            "Leave out one of the two.",
            parameter="tolerance",
            given=parameters.rule,
            allowed=["midpoint"],
        )


def _starts(case: Case, parameters: IntegratedGradientsParameters) -> Iterator[torch.Tensor]:
    """The baselines one by one, float32 [3, T, H, W], the same at each call."""
    chosen = parameters.baseline
    if isinstance(chosen, Given):
        clip = torch.from_numpy(chosen.clip)
        if clip.shape != case.clip.shape or not torch.isfinite(clip).all():
            raise InvalidParameter(
                f"A given baseline must be finite and of the clip's shape "
                f"{list(case.clip.shape)}; this one is {list(clip.shape)}.",
                parameter="baseline",
                given=list(clip.shape),
                allowed=list(case.clip.shape),
            )
        yield clip.to(case.clip.device)
    elif chosen == "noise":
        yield from noise(case, parameters.noise_baselines)
    else:
        yield baseline(case, chosen)
