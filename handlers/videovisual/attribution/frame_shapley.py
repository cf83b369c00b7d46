"""Each moment's share of the score: the Shapley values of a clip's segments.

Shapley 1953; as an explanation of a model Štrumbelj & Kononenko 2014
(https://doi.org/10.1007/s10115-013-0679-x); by sampling Castro, Gómez & Tejada 2009
(https://doi.org/10.1016/j.cor.2008.04.004).
"""

import torch

from videovisual.attribution.baseline import baseline
from videovisual.attribution.coalitions import Coalition, coalitions, exact, orders, sampled
from videovisual.attribution.masking_parameters import EXACT, FrameShapleyParameters
from videovisual.attribution.method import Case, chunks, to_map
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency


def frame_shapley(case: Case, parameters: FrameShapleyParameters) -> Attribution:
    """The target's logit, divided among the moments of the clip.

    The shares sum to the logit for the clip less the logit for the clip whose moments are all
    hidden, and the map sums to the same: each share is spread evenly over its segment. Signed.
    """
    frames = case.clip.shape[1]
    players = parameters.players(frames)
    segment_of = torch.arange(frames) * players // frames
    drawn = None if players <= EXACT else orders(players, parameters.permutations, case.seed)
    wanted: list[Coalition] = (
        list(range(1 << players))
        if drawn is None
        else list(dict.fromkeys(each for order in drawn for each in coalitions(order)))
    )
    hidden = _hidden(case, parameters.baseline)
    scores: dict[Coalition, float] = {}
    for size in chunks(len(wanted), case.batch):
        group = wanted[len(scores) : len(scores) + size]
        shown = [torch.tensor([each >> int(own) & 1 for own in segment_of]) > 0 for each in group]
        clips = torch.stack([_clip(case.clip, hidden, each) for each in shown])
        reading = yield Probe(clips, progress=Progress(len(scores), len(wanted)))
        found = reading.logits[:, case.target].tolist()
        scores |= dict(zip(group, found, strict=True))

    shares = exact(scores, players) if drawn is None else sampled(scores, drawn)
    lengths = segment_of.bincount()
    each = torch.tensor(shares.values, dtype=torch.float64) / lengths / case.clip[0, 0].numel()
    return Saliency(
        to_map(each[segment_of][:, None, None].expand(case.clip.shape[1:])),
        signed=True,
        diagnostics={
            "shares": shares.values,
            "standard_errors": shares.errors,
            "segment_frames": lengths.tolist(),
            "cells": [players, 1, 1],
            "logit_rise": scores[(1 << players) - 1] - scores[0],
        },
    )


def _hidden(case: Case, name: str) -> torch.Tensor | None:
    """What hidden frames are replaced by, [3, T, H, W]; None for their neighbours."""
    if name == "neighbour":
        return None
    if name == "mean":
        return _mean(case.clip)
    return baseline(case, name)


def _mean(clip: torch.Tensor) -> torch.Tensor:
    return clip.mean(dim=1, keepdim=True).expand_as(clip)


def _clip(clip: torch.Tensor, hidden: torch.Tensor | None, shown: torch.Tensor) -> torch.Tensor:
    """The clip with some frames hidden.

    Args:
        clip: float32 [3, T, H, W].
        hidden: the clip with all frames hidden; None to show the nearest shown frame instead, of
            two equally near ones the earlier, and the mean frame where none is shown.
        shown: bool [T].
    """
    if hidden is not None:
        return torch.where(shown[:, None, None].to(clip.device), clip, hidden)
    if not shown.any():
        return _mean(clip)
    places = shown.nonzero()[:, 0]
    distances = (torch.arange(len(shown))[:, None] - places).abs()
    return clip[:, places[distances.argmin(dim=1)].to(clip.device)]
