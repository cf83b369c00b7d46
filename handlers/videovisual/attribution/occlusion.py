"""Occlusion (Zeiler & Fergus 2014, arXiv 1311.2901), with a box in space and time."""

from collections.abc import Iterator, Sequence
from itertools import islice, product
from math import prod

import torch

from videovisual.attribution.baseline import baseline
from videovisual.attribution.masking_parameters import OcclusionParameters
from videovisual.attribution.method import Case, chunks, to_map
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.saliency import Saliency

Box = tuple[slice, slice, slice]


def occlusion(case: Case, parameters: OcclusionParameters) -> Attribution:
    """The mean fall of the target's logit over all boxes that hide a pixel.

    The box moves by its stride over frames, rows and columns, and is cut off at the ends. Signed:
    negative where hiding raises the logit.

    Raises:
        InvalidParameter: a stride larger than the box, which would leave pixels out.
    """
    length, height, width = case.clip.shape[1:]
    extents = parameters.extents((length, height, width))
    starts = parameters.starts((length, height, width))
    count = prod(map(len, starts))
    boxes = _boxes(starts, [box for box, _ in extents])
    hidden = baseline(case, parameters.baseline)
    whole = yield Probe(case.clip[None], progress=Progress(0, count))
    score = whole.logits[0, case.target]

    falls = case.clip.new_zeros(case.clip.shape[1:])
    visits = torch.zeros_like(falls)
    done = 0
    for size in chunks(count, case.batch):
        group = list(islice(boxes, size))
        clips = case.clip.repeat(size, 1, 1, 1, 1)
        for clip, (frames, rows, columns) in zip(clips, group, strict=True):
            clip[:, frames, rows, columns] = hidden[:, frames, rows, columns]
        reading = yield Probe(clips, progress=Progress(done, count))
        for box, fall in zip(group, score - reading.logits[:, case.target], strict=True):
            falls[box] += fall
            visits[box] += 1
        done += size
    return Saliency(
        to_map(falls / visits),
        signed=True,
        diagnostics={
            "boxes": count,
            "box": [box for box, _ in extents],
            "stride": [stride for _, stride in extents],
        },
    )


def _boxes(starts: Sequence[range], sides: Sequence[int]) -> Iterator[Box]:
    """One box after another: there may be millions."""
    for first in product(*starts):
        frames, rows, columns = (
            slice(start, start + side) for start, side in zip(first, sides, strict=True)
        )
        yield frames, rows, columns
