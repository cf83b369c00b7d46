"""Occlusion (Zeiler & Fergus 2014, arXiv 1311.2901), with a box in space and time."""

from itertools import product
from math import ceil

import torch

from videovisual.attribution.baseline import baseline
from videovisual.attribution.method import Case, chunks, to_map
from videovisual.attribution.parameters import OcclusionParameters
from videovisual.engine.probe import Attribution, Probe
from videovisual.engine.progress import Progress
from videovisual.errors import InvalidParameter
from videovisual.saliency import Saliency

Box = tuple[slice, slice, slice]

BOXES_PER_SIDE = 4
"""Default boxes along each side of the clip."""


def occlusion(case: Case, parameters: OcclusionParameters) -> Attribution:
    """The mean fall of the target's logit over all boxes that hide a pixel.

    The box moves by its stride over frames, rows and columns, and is cut off at the ends. Signed:
    negative where hiding raises the logit.

    Raises:
        InvalidParameter: a stride larger than the box, which would leave pixels out.
    """
    extents = _extents(case, parameters)
    starts = [
        [slice(start, start + box) for start in _starts(size, box, stride)]
        for size, (box, stride) in zip(case.clip.shape[1:], extents, strict=True)
    ]
    boxes: list[Box] = list(product(*starts))
    hidden = baseline(case, parameters.baseline)
    whole = yield Probe(case.clip[None], progress=Progress(0, len(boxes)))
    score = whole.logits[0, case.target]

    falls = case.clip.new_zeros(case.clip.shape[1:])
    visits = torch.zeros_like(falls)
    done = 0
    for size in chunks(len(boxes), case.batch):
        group = boxes[done : done + size]
        clips = case.clip.repeat(size, 1, 1, 1, 1)
        for clip, (frames, rows, columns) in zip(clips, group, strict=True):
            clip[:, frames, rows, columns] = hidden[:, frames, rows, columns]
        reading = yield Probe(clips, progress=Progress(done, len(boxes)))
        for box, fall in zip(group, score - reading.logits[:, case.target], strict=True):
            falls[box] += fall
            visits[box] += 1
        done += size
    return Saliency(
        to_map(falls / visits),
        signed=True,
        diagnostics={
            "boxes": len(boxes),
            "box": [box for box, _ in extents],
            "stride": [stride for _, stride in extents],
        },
    )


def _extents(case: Case, parameters: OcclusionParameters) -> list[tuple[int, int]]:
    """The box's side and stride along frames, rows and columns, in frames and pixels."""
    given = {
        "frames": (parameters.box_frames, parameters.stride_frames, "stride_frames"),
        "pixels": (parameters.box, parameters.stride, "stride"),
    }
    extents = []
    for size, kind in zip(case.clip.shape[1:], ("frames", "pixels", "pixels"), strict=True):
        box, stride, name = given[kind]
        box = min(size, box or ceil(size / BOXES_PER_SIDE))
        stride = stride or ceil(box / 2)
        if stride > box:
            raise InvalidParameter(
                f"{name}={stride} leaves out {kind}: it must be at most the box's size, {box}.",
                parameter=name,
                given=stride,
                allowed={"minimum": 1, "maximum": box},
            )
        extents.append((box, stride))
    return extents


def _starts(size: int, box: int, stride: int) -> range:
    """Where boxes start; the last box is the first that reaches the end."""
    return range(0, max(0, size - box) + stride, stride)
