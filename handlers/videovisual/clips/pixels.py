"""Conversion of a decoded picture to upright RGB."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from videovisual.clips.alpha import over_black
from videovisual.clips.decoding import Picture
from videovisual.clips.source import Frames

_BT601 = 5
_BT2020 = 9
_MATRICES = {1: 1, 4: 4, 7: 7, 9: _BT2020, 10: _BT2020}
"""swscale's colour matrices by their number in ITU-T H.273. Other numbers, and none, are read as
BT.601, as FFmpeg and the libraries built on it do: classifiers were trained on such pixels."""

_UNSPECIFIED = 0
_LIMITED_RANGE = 1
_FULL_RANGE = 2
_FULL_BY_DEFAULT = ("yuvj", "gray", "ya")
"""Pixel formats that swscale treats as full range if the file does not specify the range."""


def rgb(picture: Picture, reformatter: VideoReformatter) -> Frames:
    """Convert by the picture's own colour matrix and range, lay it over black, turn it upright.

    Returns:
        uint8 [H, W, 3], RGB; more than 8 bits a channel are reduced to 8.
    """
    frame = picture.frame
    is_full = frame.color_range == _FULL_RANGE or (
        frame.color_range == _UNSPECIFIED and frame.format.name.startswith(_FULL_BY_DEFAULT)
    )
    has_alpha = any(component.is_alpha for component in frame.format.components)
    converted = reformatter.reformat(
        frame,
        format="rgba" if has_alpha or frame.format.has_palette else "rgb24",
        src_colorspace=_MATRICES.get(frame.colorspace, _BT601),
        dst_colorspace=_BT601,
        src_color_range=_FULL_RANGE if is_full else _LIMITED_RANGE,
        dst_color_range=_UNSPECIFIED,
    )
    pixels = cast(Frames, converted.to_ndarray())
    if picture.alpha is not None:
        pixels = np.concatenate((pixels, _luma(picture.alpha)[..., None]), axis=-1)
    if pixels.shape[-1] == 4:
        pixels = over_black(pixels)
    return upright(pixels, _display_matrix(frame))


def upright(pixels: Frames, matrix: tuple[int, int, int, int]) -> Frames:
    """Apply a display matrix (ISO/IEC 14496-12, 6.2.2), `x' = a·x + c·y`, `y' = b·x + d·y`.

    Only rotations by right angles and mirrorings are applied; other angles are rounded to these.
    """
    a, b, c, d = matrix
    if abs(a) + abs(d) < abs(b) + abs(c):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def _luma(frame: VideoFrame) -> Frames:
    plane = frame.planes[0]
    rows: Frames = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int]:
    side_data = cast(Mapping[str, Any], frame.side_data).get("DISPLAYMATRIX")
    if side_data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = np.frombuffer(side_data, np.int32)[:5].tolist()
    return a, b, c, d
