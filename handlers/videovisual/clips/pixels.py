"""Conversion of a decoded picture to RGB, as stored or as it is shown."""

from typing import Any, cast

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from videovisual.clips.alpha import over_black
from videovisual.clips.decoding import Picture
from videovisual.clips.display import Display
from videovisual.clips.hdr import TRANSFERS, to_sdr
from videovisual.clips.orientation import display_matrix, upright
from videovisual.clips.source import Frames

_BT601 = 5
_BT2020 = 9
_MATRICES = {1: 1, 4: 4, 7: 7, 9: _BT2020, 10: _BT2020}
"""swscale's colour matrices by their number in ITU-T H.273. Other numbers, and none, are read as
BT.601, as FFmpeg and the libraries built on it do: classifiers were trained on such pixels."""

_UNSPECIFIED = 0
_LIMITED_RANGE = 1
_FULL_RANGE = 2
_FULL_BY_DEFAULT = ("gray", "ya")
"""Pixel formats that swscale treats as full range if the file does not specify the range."""


class Converter:
    """Converts a video's pictures to RGB.

    Args:
        display: how they are shown: cropped, scaled, upright, of standard range. None converts the
            stored pixels, only by their colour matrix and range.
    """

    def __init__(self, display: Display | None) -> None:
        self.display = display
        # Each keeps tables for the kind of picture that it has seen last.
        self._reformatter = VideoReformatter()
        self._scaler = VideoReformatter()

    def rgb(self, picture: Picture) -> Frames:
        """Convert a picture.

        Returns:
            uint8 [H, W, 3], over black where it is transparent; more than 8 bits a channel are
            reduced to 8.
        """
        display, frame = self.display, picture.frame
        if display is None:
            return self._stored(picture)
        pixels = to_sdr(frame) if frame.color_trc in TRANSFERS else self._stored(picture)
        left, top, right, bottom = display.crop
        if left + right < frame.width and top + bottom < frame.height:
            pixels = pixels[top : frame.height - bottom, left : frame.width - right]
        pixels = upright(pixels, display_matrix(frame))
        if pixels.shape[:2] != (display.height, display.width):
            pixels = self._scaled(pixels, display.width, display.height)
        return pixels

    def _scaled(self, pixels: Frames, width: int, height: int) -> Frames:
        """Scale pixels that aren't square, and pictures of another size than the first."""
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        scaled = self._scaler.reformat(
            frame, width=width, height=height, interpolation=Interpolation.BICUBIC
        )
        return cast(Frames, scaled.to_ndarray())

    def _stored(self, picture: Picture) -> Frames:
        frame = picture.frame
        is_full = frame.color_range == _FULL_RANGE or (
            frame.color_range == _UNSPECIFIED and frame.format.name.startswith(_FULL_BY_DEFAULT)
        )
        has_alpha = any(component.is_alpha for component in frame.format.components)
        converted = self._reformatter.reformat(
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
        return pixels


def _luma(frame: VideoFrame) -> Frames:
    plane = frame.planes[0]
    rows: Frames = np.frombuffer(cast(Any, plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]
