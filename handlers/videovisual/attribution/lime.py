"""LIME (Ribeiro, Singh & Guestrin 2016, arXiv 1602.04938), with superpixels of space-time."""

from dataclasses import dataclass
from functools import partial

import torch

from videovisual.attribution.baseline import baseline
from videovisual.attribution.masking_parameters import LimeParameters
from videovisual.attribution.method import Case, chunks, to_map
from videovisual.attribution.superpixels import by_colour, grid
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency

CHUNK = 128
"""Samples whose influence on the fit is computed at once."""

LEAST = 1e-9
"""The least part of a sample's score that is not its own doing, against division by 0."""


def lime(case: Case, parameters: LimeParameters) -> Attribution:
    """The coefficients of a linear model of the target's logit, one a superpixel.

    The model is fitted to samples of the clip in which random superpixels are hidden; samples near
    the whole clip count more. Signed: negative where a superpixel lowers the logit.
    """
    shape = case.clip.shape[1:]
    cells = (parameters.frame_cells, parameters.cells, parameters.cells)
    if parameters.superpixels == "grid":
        regions = grid((shape[0], shape[1], shape[2]), cells)
    else:
        regions = by_colour(case.clip.cpu(), cells)
    drawn = samples(int(regions.max()) + 1, parameters.samples, case.seed)
    hidden = baseline(case, parameters.baseline)
    regions = regions.to(case.clip.device)
    scores = torch.zeros(len(drawn), dtype=torch.float64)
    done = 0
    for size in chunks(len(drawn), case.batch):
        shown = drawn[done : done + size].to(case.clip.device)[:, regions]
        best = partial(_saliency, parameters, regions, drawn, scores, done)
        reading = yield Probe(
            torch.where(shown[:, None], case.clip, hidden),
            progress=Progress(done, len(drawn), partial=best if done > 1 else None),
        )
        scores[done : done + size] = reading.logits[:, case.target].double().cpu()
        done += size
    return _saliency(parameters, regions, drawn, scores, done)


def samples(superpixels: int, count: int, seed: int) -> torch.Tensor:
    """Random sets of superpixels: bool [count, superpixels], true where one is shown.

    The first set has all of them. How many a set has is drawn uniformly, as in the paper.
    """
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.randint(superpixels + 1, (count,), generator=generator).tolist()
    shown = torch.zeros(count, superpixels, dtype=torch.bool)
    for row, size in zip(shown, [superpixels, *sizes[1:]], strict=True):
        row[torch.randperm(superpixels, generator=generator)[:size]] = True
    return shown


def weights(shown: torch.Tensor, kernel: float) -> torch.Tensor:
    """The paper's exponential kernel of the cosine distance between a sample and the whole clip.

    Args:
        shown: bool [samples, superpixels].
        kernel: its width.

    Returns:
        float64 [samples], 1 for the whole clip.
    """
    # In pieces, since all samples as numbers would take more than a request is promised.
    parts = (shown[start : start + CHUNK] for start in range(0, len(shown), CHUNK))
    shares = torch.cat([part.double().mean(dim=1) for part in parts])
    distances = 1 - shares.sqrt()
    return torch.exp(-((distances / kernel) ** 2))


@dataclass(frozen=True)
class LinearModel:
    """A linear model that was fitted to samples.

    Attributes:
        coefficients: float64 [superpixels].
        r2: the share of the samples' weighted variance that the model explains; None if the
            scores don't vary.
        r2_left_out: the same, each sample predicted by the model of all others.
    """

    coefficients: torch.Tensor
    r2: float | None
    r2_left_out: float | None


def fit(
    shown: torch.Tensor, scores: torch.Tensor, weight: torch.Tensor, ridge: float
) -> LinearModel:
    """Weighted ridge regression of scores on superpixels, with an intercept without penalty.

    Args:
        shown: bool [samples, superpixels].
        scores: float64 [samples].
        weight: float64 [samples].
        ridge: penalty of the squared coefficients.
    """
    share = weight / weight.sum()
    means = torch.zeros(shown.shape[1], dtype=torch.float64)
    pieces = [slice(start, start + CHUNK) for start in range(0, len(shown), CHUNK)]
    for piece in pieces:
        means += share[piece] @ shown[piece].double()
    centred = scores - share @ scores
    normal = ridge * torch.eye(shown.shape[1], dtype=torch.float64)
    moments = torch.zeros_like(means)
    for piece in pieces:
        apart = shown[piece].double() - means
        weighted = apart.T * weight[piece]
        normal += weighted @ apart
        moments += weighted @ centred[piece]
    factor = torch.linalg.cholesky(normal)
    coefficients = torch.cholesky_solve(moments[:, None], factor)[:, 0]
    missed, missed_left_out = 0.0, 0.0
    for piece in pieces:
        apart = shown[piece].double() - means
        errors = centred[piece] - apart @ coefficients
        # A sample's influence on its own prediction (Allen 1974's PRESS statistic).
        reach = torch.linalg.solve_triangular(factor, apart.T, upper=False).square().sum(dim=0)
        left_out = errors / (1 - share[piece] - weight[piece] * reach).clamp(min=LEAST)
        missed += float(weight[piece] @ errors.square())
        missed_left_out += float(weight[piece] @ left_out.square())
    whole = float(weight @ centred.square())
    if whole == 0:
        return LinearModel(coefficients, None, None)
    return LinearModel(coefficients, 1 - missed / whole, 1 - missed_left_out / whole)


def _saliency(
    parameters: LimeParameters,
    regions: torch.Tensor,
    drawn: torch.Tensor,
    scores: torch.Tensor,
    done: int,
) -> Saliency:
    shown = drawn[:done]
    model = fit(shown, scores[:done], weights(shown, parameters.kernel), parameters.ridge)
    frames = min(parameters.frame_cells, regions.shape[0])
    return Saliency(
        to_map(model.coefficients.to(regions.device)[regions]),
        signed=True,
        diagnostics={
            "samples": done,
            "superpixels": drawn.shape[1],
            "cells": [frames, parameters.cells, parameters.cells],
            "r2": model.r2,
            "r2_left_out": model.r2_left_out,
        },
    )
