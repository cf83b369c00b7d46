"""Motion: a synthetic data set of clips classified by motion, with evidence masks.

A clip shows three objects of the same shape and colour over a drifting texture. Each object
varies one property: the *mover* its position on a circle, the *spinner* its heading, the *scaler*
its size. The objects jump between their states in random order, except for one of them, the
target: in a part of the clip it passes through its states in the order that defines the class.

    mover     moves left, right, up, down: along one half of the circle, then along the other;
              circles clockwise, counter-clockwise
    spinner   spins clockwise, counter-clockwise
    scaler    grows, shrinks

Clips of different classes therefore differ only in the order of states. A single frame, a
shuffled clip, a position or an appearance carries no information about the class.

Samples are bit-identical on every machine: random numbers are integers, and pixels follow from
them by additions, products and square roots, which IEEE 754 rounds in one way.
"""

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
"""The classes that need the order of frames: all of them."""


class Sample(NamedTuple):
    """A labelled clip.

    Attributes:
        frames: uint8 [16, 64, 64, 3], RGB.
        label: index into `LABELS`.
        evidence: bool [16, 64, 64], the target's pixels in the frames of its motion.
    """

    frames: npt.NDArray[np.uint8]
    label: int
    evidence: npt.NDArray[np.bool_]


class Batch(NamedTuple):
    """Stacked samples: uint8 [N, 16, 64, 64, 3], int64 [N], bool [N, 16, 64, 64]."""

    frames: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    evidence: npt.NDArray[np.bool_]


def sample(index: int, split: str = "test", unrest: float = 1.0) -> Sample:
    """The clip with the number `index`; it doesn't depend on other clips.

    Args:
        index: from 0; the label is `index` modulo the number of classes.
        split: `train`, `validation` or `test`; the splits have no clip in common.
        unrest: in [0, 1], scales how far the other objects than the target jump. 1 is the data
            set itself; at 0 they stand still, so the target is easy to find.

    Raises:
        InvalidParameter: `index` is negative, or there is no such split.
    """
    if split not in SPLITS:
        raise InvalidParameter(
            f"Motion has no split {split!r}. Give one of {', '.join(SPLITS)}.",
            split=split,
            allowed=list(SPLITS),
        )
    if index < 0:
        raise InvalidParameter(
            f"A clip's index counts from 0; {index} is not allowed.", index=index
        )
    label = index % len(LABELS)
    states, order, look = np.random.SeedSequence((SPLITS.index(split), index)).spawn(3)
    values, active = choreograph(
        label, np.random.default_rng(states), np.random.default_rng(order), unrest
    )
    frames, masks = paint(values, np.random.default_rng(look))
    return Sample(frames, label, masks[target(label)] & active[:, None, None])


def batch(indices: Iterable[int], split: str = "test", unrest: float = 1.0) -> Batch:
    """The clips with the numbers `indices`, stacked; see `sample`."""
    frames, labels, evidence = zip(
        *(sample(index, split, unrest) for index in indices), strict=True
    )
    return Batch(np.stack(frames), np.array(labels), np.stack(evidence))


def shuffled(frames: npt.NDArray[np.uint8], seed: int) -> npt.NDArray[np.uint8]:
    """The frames [T, H, W, 3] in a random order."""
    return frames[np.random.default_rng(seed).permutation(len(frames))]


def frozen(frames: npt.NDArray[np.uint8], index: int) -> npt.NDArray[np.uint8]:
    """The frame `index` repeated for the length of the clip, [T, H, W, 3]."""
    return np.broadcast_to(frames[index], frames.shape).copy()
