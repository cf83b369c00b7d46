"""Integrated gradients (Sundararajan, Taly & Yan 2017, arXiv 1703.01365)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from videovisual.attribution.baseline import baseline, noise
from videovisual.attribution.method import Case, to_map
from videovisual.attribution.parameters import Given, IntegratedGradientsParameters
from videovisual.engine.probe import Attribution, Probe, Work
from videovisual.engine.progress import Progress
from videovisual.errors import InvalidParameter
from videovisual.saliency import Saliency

Rule = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""Points in [0, 1] and their weights, which sum to 1."""


REFINEMENT = 3
MOST_STEPS = 1000


def _midpoint(steps: int) -> Rule:
    return (np.arange(steps) + 0.5) / steps, np.full(steps, 1 / steps)


def _left(steps: int) -> Rule:
    return np.arange(steps) / steps, np.full(steps, 1 / steps)


def _gauss_legendre(steps: int) -> Rule:
    points, weights = np.polynomial.legendre.leggauss(steps)
    return (points + 1) / 2, weights / 2


RULES: Mapping[str, Callable[[int], Rule]] = {
    "midpoint": _midpoint,
    "gauss_legendre": _gauss_legendre,
    "left": _left,
}


@dataclass
class Integral:
    """Weighted means over the points of all paths.

    Attributes:
        attribution: of gradient times way, summed over the channels, [T, H, W].
        product: of the same times the point's slope.
        slope: of the logit's slope along the path, the sum of gradient times way.
        square: of its square.
    """

    attribution: torch.Tensor
    product: torch.Tensor
    slope: float = 0.0
    square: float = 0.0

    def shrink(self, factor: float) -> None:
        """Make room for other points: let those there are weigh less by a factor."""
        self.attribution *= factor
        self.product *= factor
        self.slope *= factor
        self.square *= factor

    def add(self, way: torch.Tensor, gradients: torch.Tensor, weights: torch.Tensor) -> None:
        """Add points of a way [3, T, H, W] with gradients [n, 3, T, H, W] and weights [n]."""
        shares = (gradients * way).sum(dim=1)
        slopes = shares.flatten(1).sum(dim=1, dtype=torch.float64)
        self.attribution += torch.tensordot(weights, shares, dims=1)
        self.product += torch.tensordot(weights * slopes.float(), shares, dims=1)
        self.slope += float(weights.double() @ slopes)
        self.square += float(weights.double() @ slopes.square())

    def complete(self, rise: float) -> bool:
        """Weigh the points anew, so that the attribution sums to the logit's rise.

        The mean slope is known, it is the rise, so means of what goes up and down with the slopes
        can be corrected by it. Each weight is multiplied by 1 + λ (slope − mean slope): the weights
        still sum to 1, and no others that reach the rise are nearer to the rule's (Deville &
        Särndal 1992, doi 10.1080/01621459.1992.10475217).

        Returns:
            False where the slopes lie too close together for it, and nothing was changed.
        """
        variance = self.square - self.slope**2
        missing = rise - self.slope
        if missing**2 >= variance:
            return False
        self.attribution += missing / variance * (self.product - self.slope * self.attribution)
        return True


def integrated_gradients(case: Case, parameters: IntegratedGradientsParameters) -> Attribution:
    """Gradients on the way from baseline to clip, averaged by a quadrature rule, times the way.

    The attributions of all pixels sum to the logit's rise from baseline to clip, up to the error
    of the rule; the diagnostics report it as `convergence_delta` (sum minus rise) and as
    `relative_delta` (that over |rise|). With `complete` the points are then weighed so that the
    map's sum is the rise; the diagnostics tell whether they could be. With several baselines,
    which noise has, attributions and rises are averaged. With a `tolerance` the points are made
    three times as many until `relative_delta` is within it, or until there would be more than
    `MOST_STEPS`; `steps` then tells how many there were, and `converged` whether it is.

    Raises:
        InvalidParameter: a given baseline of another shape than the clip, or not finite; a
            tolerance with a rule other than midpoint.
    """
    _check_rule(parameters)
    starts = _starts(case, parameters)
    ends = yield Probe(torch.cat([starts, case.clip[None]]))
    scores = ends.logits[:, case.target].double()
    rise = (scores[-1] - scores[:-1].mean()).item()

    integral = Integral(torch.zeros_like(case.clip[0]), torch.zeros_like(case.clip[0]))
    for steps, rule in _refinements(parameters):
        integral.shrink(1 / REFINEMENT)
        yield from _integrate(case, starts, integral, steps, rule)
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
    """The number of points and the rule, then of each finer rule the points that are new.

    Of the midpoints of three times as many intervals every third is there already.
    """
    steps = parameters.steps
    yield steps, RULES[parameters.rule](steps)
    while parameters.tolerance is not None and REFINEMENT * steps <= MOST_STEPS:
        steps *= REFINEMENT
        points, weights = _midpoint(steps)
        new = np.arange(steps) % REFINEMENT != REFINEMENT // 2
        yield steps, (points[new], weights[new])


def _integrate(
    case: Case, starts: torch.Tensor, integral: Integral, steps: int, rule: Rule
) -> Work[None]:
    """Add the rule's points on the ways from all starts."""
    points, weights = (torch.from_numpy(values).float().to(case.clip.device) for values in rule)
    of = len(starts) * steps
    done = len(starts) * (steps - len(points))
    for start in starts:
        way = case.clip - start
        chunks = (torch.split(points, case.batch), torch.split(weights, case.batch))
        for places, shares in zip(*chunks, strict=True):
            reading = yield Probe(
                start + places.view(-1, 1, 1, 1, 1) * way,
                case.targets(len(places)),
                gradient=True,
                progress=Progress(done, of),
            )
            assert reading.gradient is not None
            integral.add(way, reading.gradient, shares / len(starts))
            done += len(places)


def _check_rule(parameters: IntegratedGradientsParameters) -> None:
    if parameters.tolerance is not None and parameters.rule != "midpoint":
        raise InvalidParameter(
            f"A tolerance goes with rule=midpoint, whose points can be refined; not with "
            f"{parameters.rule!r}. Leave one of the two out.",
            parameter="tolerance",
            given=parameters.rule,
            allowed=["midpoint"],
        )


def _starts(case: Case, parameters: IntegratedGradientsParameters) -> torch.Tensor:
    """The baselines: float32 [B, 3, T, H, W]."""
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
        return clip.to(case.clip.device)[None]
    if chosen == "noise":
        return noise(case, parameters.noise_baselines)
    return baseline(case, chosen)[None]
