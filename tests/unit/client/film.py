"""Films of Motion's clips: a scene of each class, one clip a second."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tests.unit.clips.makers import encode_frames

from videovisual import motion


def film(scenes: Sequence[tuple[int, int]], gop: int = 32) -> bytes:
    """An mp4 of scenes, 16 frames a second.

    Args:
        scenes: a class of Motion, and the scene's seconds.
        gop: frames between two keyframes.
    """
    frames: list[np.ndarray] = []
    for label, length in scenes:
        for number in range(length):
            frames += list(motion.sample(label + 10 * number, unrest=0.0).frames)
    return encode_frames(frames, rate=motion.FRAMES, gop=gop, options=(("crf", "8"),))
