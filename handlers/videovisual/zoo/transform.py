"""Source frames → the tensor that a network was trained on, and the way back."""

from __future__ import annotations

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
    """Where the network's square crop lies in the source frame, in source pixels.

    Attributes:
        source_height, source_width: size of the source frames.
        top, left, height, width: the crop's box; fractions of a pixel are kept.
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


def geometry(spec: InputSpec, height: int, width: int) -> Geometry:
    """Where the crop of a `height` × `width` source frame lies."""
    resized_height, resized_width = resized_size(spec, height, width)
    top = round((resized_height - spec.crop) / 2)
    left = round((resized_width - spec.crop) / 2)
    vertical, horizontal = height / resized_height, width / resized_width
    return Geometry(
        source_height=height,
        source_width=width,
        top=top * vertical,
        left=left * horizontal,
        height=spec.crop * vertical,
        width=spec.crop * horizontal,
    )


def prepare(spec: InputSpec, frames: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Resize, centre-crop and normalise.

    Args:
        spec: what the network is fed.
        frames: uint8 [T, H, W, 3], RGB.

    Returns:
        float32 [3, T, crop, crop] in the model's space.

    Raises:
        InvalidParameter: `frames` is not uint8 of that shape.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not frames.size:
        raise InvalidParameter(
            f"Frames must be uint8 of shape [T, H, W, 3], not {frames.dtype} {list(frames.shape)}.",
            shape=list(frames.shape),
            dtype=str(frames.dtype),
        )
    height, width = frames.shape[1:3]
    size = resized_size(spec, height, width)
    top = round((size[0] - spec.crop) / 2)
    left = round((size[1] - spec.crop) / 2)
    chunks = []
    for start in range(0, len(frames), CHUNK):
        pixels = torch.from_numpy(np.ascontiguousarray(frames[start : start + CHUNK]))
        pixels = pixels.permute(0, 3, 1, 2).float()
        if size != (height, width):
            pixels = F.interpolate(
                pixels, size, mode="bilinear", align_corners=False, antialias=spec.antialias
            )
            # The published pipelines resize 8-bit pictures to 8-bit pictures.
            pixels = pixels.round_().clamp_(0, 255)
        chunks.append(pixels[..., top : top + spec.crop, left : left + spec.crop])
    clip = torch.cat(chunks).transpose(0, 1).div_(255)
    mean = torch.tensor(spec.mean).view(3, 1, 1, 1)
    std = torch.tensor(spec.std).view(3, 1, 1, 1)
    return ((clip - mean) / std).contiguous()
