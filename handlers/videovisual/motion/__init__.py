"""Motion: a made-up world of clips whose class is a motion, and which say where that motion is.

A clip shows three objects of one shape and colour over a drifting texture. Each of them varies in
one way only: the *mover* in its place on a circle, the *spinner* in its heading, the *scaler* in
its size. They jump between their states in no order, but for one, the target, in a part of the
clip: there it goes through its states in an order, and that order is the class.

    mover     moves left, right, up, down: twice, along one half of the circle, then the other;
              circles clockwise, counter-clockwise
    spinner   spins clockwise, counter-clockwise
    scaler    grows, shrinks

A clip of one class is so a clip of any other with its states in another order. Neither a single
frame, nor a shuffled clip, nor place, nor appearance tells anything about the class.

A sample is the same, bit for bit, on every machine: what is drawn are integers, and pixels come
from them by additions, products and square roots, which IEEE 754 rounds in one way only.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from videovisual.errors import InvalidParameter
from videovisual.motion.choreography import FRAMES, LABELS, OPPOSITE, choreograph, target
from videovisual.motion.picture import SIDE, paint

__all__ = [
    "FRAMES",
    "LABELS",
    "MOTION_ONLY",
    "OPPOSITE",
    "SIDE",
    "SPLITS",
    "Batch",
    "Sample",
    "batch",
    "frozen",
    "sample",
    "shuffled",
]

SPLITS = ("train", "validation", "test")

MOTION_ONLY = tuple(range(len(LABELS)))
"""The classes of which a single frame or a shuffled clip tells nothing: all of them."""


class Sample(NamedTuple):
    """A clip of the world.

    Attributes:
        frames: uint8 [16, 64, 64, 3], RGB.
        label: index into `LABELS`.
        evidence: bool [16, 64, 64], the target's pixels in the frames of its motion.
    """

    frames: npt.NDArray[np.uint8]
    label: int
    evidence: npt.NDArray[np.bool_]


class Batch(NamedTuple):
    """Samples, stacked: uint8 [N, 16, 64, 64, 3], int64 [N], bool [N, 16, 64, 64]."""

    frames: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    evidence: npt.NDArray[np.bool_]


def sample(index: int, split: str = "test", unrest: float = 1.0) -> Sample:
    """The clip of that number, made alone and always the same.

    Args:
        index: from 0; the label is `index` modulo the number of classes.
        split: `train`, `validation` or `test`; no clip is in two of them.
        unrest: 1 for the world as it is; less makes the objects that are not the target jump
            less far, down to 0, where they stand still and give the target away.

    Raises:
        InvalidParameter: a negative index, or no such split.
    """
    if split not in SPLITS:
        raise InvalidParameter(
            f"Motion has no split {split!r}. Give one of {', '.join(SPLITS)}.",
            split=split,
            allowed=list(SPLITS),
        )
    if index < 0:
        raise InvalidParameter(f"A clip's index counts from 0, not {index}.", index=index)
    label = index % len(LABELS)
    states, order, look = np.random.SeedSequence((SPLITS.index(split), index)).spawn(3)
    dance = choreograph(label, np.random.default_rng(states), np.random.default_rng(order), unrest)
    frames, masks = paint(dance.values, np.random.default_rng(look))
    return Sample(frames, label, masks[target(label)] & dance.active[:, None, None])


def batch(indices: Iterable[int], split: str = "test", unrest: float = 1.0) -> Batch:
    """The clips of those numbers, stacked; see `sample`."""
    frames, labels, evidence = zip(
        *(sample(index, split, unrest) for index in indices), strict=True
    )
    return Batch(np.stack(frames), np.array(labels), np.stack(evidence))


def shuffled(frames: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """The same frames in a random order, [T, H, W, 3]: what is left of a clip without its time."""
    return frames[np.random.default_rng(seed).permutation(len(frames))]


def frozen(frames: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.uint8]:
    """One frame repeated for the length of the clip, [T, H, W, 3]."""
    return np.broadcast_to(frames[index], frames.shape).copy()
