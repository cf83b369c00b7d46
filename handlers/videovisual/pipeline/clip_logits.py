"""A prepared clip → its logits: the first pass of every request."""

import torch

from videovisual.engine.probe import Classification
from videovisual.errors import (
    InvalidParameter,
    PredictorTimeout,
    PredictorUnreachable,
    ScoresError,
    VideoVisualError,
)
from videovisual.pipeline.executor import Executor
from videovisual.pipeline.finite import check_logits
from videovisual.pipeline.plan import Plan
from videovisual.utils.text import shown


def clip_logits(
    plan: Plan, work: Classification, executor: Executor, *, classification: bool
) -> torch.Tensor:
    """The logits [classes] of one clip.

    Args:
        plan: of the request.
        work: the pass of the clip.
        executor: runs the network.
        classification: whether it goes before explanations.

    Raises:
        InvalidParameter: the network fails for another number of frames than its own. Few networks
            say beforehand which they take.
        NotFinite: a logit is NaN or infinite.
        VideoVisualError: the request ended, or the network failed.
    """
    card, frames = plan.classifier.card, plan.sampling.frames
    try:
        logits: torch.Tensor = executor.run(work, classification=classification)[0]
    except Exception as error:
        if frames == card.input.frames or not _of_network(error):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise InvalidParameter(
            f"frames = {frames} does not fit {card.name}, which is described with "
            f"{card.input.frames}. It failed: {shown(reason, 300)} Leave `frames` out, or give "
            "another number.",
            parameter="frames",
            given=frames,
        ) from error
    check_logits(card, logits)
    return logits


def _of_network(error: Exception) -> bool:
    """Whether a network raised this for what it was given."""
    if isinstance(error, VideoVisualError):
        absent = isinstance(error, PredictorTimeout | PredictorUnreachable)
        return isinstance(error, ScoresError) and not absent
    return not isinstance(error, torch.OutOfMemoryError)
