"""How stored pictures are shown: cropped, with square pixels, upright, in standard range."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av.video.frame import VideoFrame

from videovisual.clips.cropping import NO_CROP, Crop
from videovisual.clips.hdr import TRANSFERS
from videovisual.clips.limits import Limits
from videovisual.clips.orientation import display_matrix, is_mirrored, rotation, swaps
from videovisual.errors import MalformedClip

MOST_ASPECT = 16
"""The most that a pixel may be wider than high, or higher than wide."""

SQUARE = Fraction(1)


@dataclass(frozen=True)
class Display:
    """How the stored pictures of a video are shown.

    Attributes:
        crop: what the container leaves out.
        width, height: of a shown frame.
    """

    crop: Crop
    width: int
    height: int


def display_of(
    frame: VideoFrame, crop: Crop, aspect: Fraction | None, limits: Limits
) -> tuple[Display, dict[str, Any]]:
    """How a video is shown, by its first picture.

    Args:
        frame: the first picture.
        crop: what the container leaves out.
        aspect: width of a pixel by its height; None if it is unknown.
        limits: on the pixels of a shown frame.

    Returns:
        The display, and what is done, for the provenance; nothing for what needs no change.

    Raises:
        MalformedClip: an aspect past `MOST_ASPECT`.
        TooLarge: more pixels than the limits.
    """
    aspect = aspect or SQUARE
    if not Fraction(1, MOST_ASPECT) <= aspect <= MOST_ASPECT:
        raise MalformedClip(
            f"The video's pixel aspect ratio is {_ratio(aspect)[:40]}; from 1:{MOST_ASPECT} to "
            f"{MOST_ASPECT}:1 are shown. Correct it, or ask for the stored pixels: as_shown=false."
        )
    width = frame.width - crop.left - crop.right
    height = frame.height - crop.top - crop.bottom
    matrix = display_matrix(frame)
    turned = aspect
    if swaps(matrix):
        width, height, turned = height, width, 1 / aspect
    # As FFmpeg's `scale=iw*sar:ih` does: in doubles, cut to a whole number.
    stretched = max(int(width * (turned.numerator / turned.denominator)), 1)
    limits.check_pixels(stretched, height, "The clip as it is shown (as_shown=true)")
    done: dict[str, Any] = {}
    if crop != NO_CROP:
        done["crop"] = crop._asdict()
    if stretched != width:
        done["sample_aspect"] = _ratio(aspect)
    if rotation(matrix):
        done["rotation"] = rotation(matrix)
    if is_mirrored(matrix):
        done["mirrored"] = True
    if frame.color_trc in TRANSFERS:
        done["transfer"] = TRANSFERS[frame.color_trc]
    return Display(crop, stretched, height), done


def _ratio(aspect: Fraction) -> str:
    return f"{aspect.numerator}:{aspect.denominator}"
