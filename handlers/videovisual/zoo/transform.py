"""The transform from source frames to a network's input, and its geometry."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from videovisual.errors import InvalidParameter
from videovisual.zoo.card import InputSpec

CHUNK = 16


@dataclass(frozen=True)
class Geometry:
    """The network's square crop as a box in the source frame, in source pixels.

    Attributes:
        source_height, source_width: size of the source frames.
        top, left, height, width: the box, with fractions of a pixel.
    """

    source_height: int
    source_width: int
    top: float
    left: float
    height: float
    width: float


def resized_size(spec: InputSpec, height: int, width: int) -> tuple[int, int]:
    """The (height, width) to which `spec` resizes a source frame, in pixels."""
    if not isinstance(spec.resize, int):
        return spec.resize
    if height <= width:
        return spec.resize, int(spec.resize * width / height)
    return int(spec.resize * height / width), spec.resize


def _corner(spec: InputSpec, size: tuple[int, int]) -> tuple[int, int]:
    """Top and left of the centred crop in a resized frame of `size` (height, width)."""
    top, left = (round((side - spec.crop) / 2) for side in size)
    return top, left


def geometry(spec: InputSpec, height: int, width: int) -> Geometry:
    """The crop's box in a source frame of `height` × `width` pixels."""
    size = resized_size(spec, height, width)
    top, left = _corner(spec, size)
    vertical, horizontal = height / size[0], width / size[1]
    return Geometry(
        source_height=height,
        source_width=width,
        top=top * vertical,
        left=left * horizontal,
        height=spec.crop * vertical,
        width=spec.crop * horizontal,
    )


def prepare(spec: InputSpec, frames: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Resize, centre-crop and normalise frames.

    Args:
        spec: the network's input.
        frames: uint8 [T, H, W, 3], RGB.

    Returns:
        float32 [3, T, crop, crop], normalised.

    Raises:
        InvalidParameter: `frames` has another type or shape.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not frames.size:
        raise InvalidParameter(
            f"Frames must be uint8 of shape [T, H, W, 3], not {frames.dtype} {list(frames.shape)}.",
            shape=list(frames.shape),
            dtype=str(frames.dtype),
        )
    height, width = frames.shape[1:3]
    size = resized_size(spec, height, width)
    top, left = _corner(spec, size)
    chunks = []
    for start in range(0, len(frames), CHUNK):
        pixels = torch.from_numpy(np.ascontiguousarray(frames[start : start + CHUNK]))
        pixels = pixels.permute(0, 3, 1, 2).float()
        if size != (height, width):
            pixels = F.interpolate(
                pixels, size, mode="bilinear", align_corners=False, antialias=spec.antialias
            )
            # The published pipelines resize to 8-bit images.
            pixels = pixels.round_().clamp_(0, 255)
        chunks.append(pixels[..., top : top + spec.crop, left : left + spec.crop])
    clip = torch.cat(chunks).transpose(0, 1).div_(255)
    mean = torch.tensor(spec.mean).view(3, 1, 1, 1)
    std = torch.tensor(spec.std).view(3, 1, 1, 1)
    return ((clip - mean) / std).contiguous()
