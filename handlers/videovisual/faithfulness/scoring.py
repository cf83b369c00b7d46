"""Scores of many changed clips, one after the other, and the progress of a measure."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch

from videovisual.attribution.method import Case
from videovisual.engine.probe import Probe, Result, Work
from videovisual.engine.progress import Progress

Values = npt.NDArray[np.float64]


def logits_of(case: Case, clips: Iterable[torch.Tensor]) -> Work[torch.Tensor]:
    """Logits [N, classes] of clips [3, T, H, W], which are taken `case.batch` at a time."""
    logits: list[torch.Tensor] = []
    chunk: list[torch.Tensor] = []
    for clip in clips:
        chunk.append(clip)
        if len(chunk) == case.batch:
            reading = yield Probe(torch.stack(chunk))
            logits.append(reading.logits)
            chunk = []
    if chunk:
        reading = yield Probe(torch.stack(chunk))
        logits.append(reading.logits)
    return torch.cat(logits)


def target_scores(case: Case, clips: Iterable[torch.Tensor]) -> Work[Values]:
    """The target's probability, or its raw score, in each clip: float64 [N]."""
    logits = yield from logits_of(case, clips)
    scores: Values = case.scores.probabilities(logits)[:, case.target].double().cpu().numpy()
    return scores


def counted(work: Work[Result], total: int) -> Work[Result]:
    """The work, whose progress is the number of clips that it has evaluated, of `total`."""
    done = 0
    try:
        probe = next(work)
        while True:
            reading = yield replace(probe, progress=Progress(done, total))
            done += len(probe.clips)
            probe = work.send(reading)
    except StopIteration as stop:
        result: Result = stop.value
        return result
    finally:
        work.close()
