"""Display matrices: pictures that are turned or mirrored to be upright."""

from typing import Any, cast

import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import VideoFrame

from videovisual.clips.source import Frames

Matrix = tuple[int, int, int, int]
"""`x' = a·x + c·y`, `y' = b·x + d·y` (ISO/IEC 14496-12, 6.2.2)."""


def display_matrix(frame: VideoFrame) -> Matrix:
    """The matrix of a picture.

    `frame.side_data` would keep the frame: the two hold each other until the next collection of
    cycles. So the memory of pictures was not reused, or at times that nobody could tell, and a
    damaged picture showed now one and now another picture that had lain there.
    """
    container = cast(Any, SideDataContainer)(frame)
    side_data = container.get("DISPLAYMATRIX")
    if side_data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(side_data, np.int32)[:5].tolist()
    return a, b, c, d


def swaps(matrix: Matrix) -> bool:
    """Whether columns become rows."""
    a, b, c, d = matrix
    return abs(a) + abs(d) < abs(b) + abs(c)


def is_mirrored(matrix: Matrix) -> bool:
    """Whether the picture is mirrored left to right, before it is turned."""
    a, b, c, d = matrix
    return a * d - b * c < 0


def rotation(matrix: Matrix) -> int:
    """By how many degrees the picture is turned clockwise: 0, 90, 180 or 270."""
    _, b, _, d = matrix
    if swaps(matrix):
        return 90 if (b > 0) != is_mirrored(matrix) else 270
    return 180 if d < 0 else 0


def upright(pixels: Frames, matrix: Matrix) -> Frames:
    """Apply a display matrix.

    Only rotations by right angles and mirrorings are applied; other angles are rounded to these.
    """
    a, b, c, d = matrix
    if swaps(matrix):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]
