"""The transform from source frames to a network's input, and its geometry."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from videovisual.errors import InvalidParameter, TooLarge
from videovisual.zoo.card import InputSpec

CHUNK_BYTES = 2**26
"""Bytes of float32 frames that are resized at once, unless one frame takes more."""

MAX_RESIZED_PIXELS = 2**22
"""Pixels of one resized frame: one 1 pixel wide and long enough would be resized to billions."""


@dataclass(frozen=True)
class Geometry:
    """The network's crop as a box in the source frame, in source pixels.

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
    """The (height, width) to which `spec` resizes a source frame, in pixels.

    Raises:
        TooLarge: the frame is so narrow that it would be resized to millions of pixels.
    """
    resize = spec.size if spec.resize is None else spec.resize
    if not isinstance(resize, int):
        return resize
    size = resize, int(resize * width / height)
    if height > width:
        size = int(resize * height / width), resize
    if size[0] * size[1] > MAX_RESIZED_PIXELS:
        raise TooLarge(
            f"A frame of {width}×{height} would be resized to {size[1]}×{size[0]} for this model; "
            f"at most {MAX_RESIZED_PIXELS} pixels are made. Crop the clip to where it happens.",
            width=width,
            height=height,
        )
    return size


def _corner(spec: InputSpec, size: tuple[int, int]) -> tuple[int, int]:
    """Top and left of the centred crop in a resized frame of `size` (height, width)."""
    return round((size[0] - spec.height) / 2), round((size[1] - spec.width) / 2)


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
        height=spec.height * vertical,
        width=spec.width * horizontal,
    )


def prepare(
    spec: InputSpec, frames: npt.NDArray[np.uint8], before_chunk: Callable[[], None] | None = None
) -> torch.Tensor:
    """Resize, centre-crop and normalise frames.

    Args:
        spec: the network's input.
        frames: uint8 [T, H, W, 3], RGB.
        before_chunk: called before every few frames; what it raises ends the work.

    Returns:
        float32 [3, T, height, width], normalised.

    Raises:
        InvalidParameter: `frames` has another type or shape.
        TooLarge: as `resized_size`.
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
    count = max(1, CHUNK_BYTES // (12 * max(height * width, size[0] * size[1])))
    for start in range(0, len(frames), count):
        if before_chunk is not None:
            before_chunk()
        pixels = torch.from_numpy(np.ascontiguousarray(frames[start : start + count]))
        pixels = pixels.permute(0, 3, 1, 2).float()
        if size != (height, width):
            # Each colour by itself: with three channels torch adds in another order on one thread
            # than on several, and other pixels would be rounded up.
            planes = F.interpolate(
                pixels.flatten(0, 1)[:, None],
                size,
                mode="bilinear",
                align_corners=False,
                antialias=spec.antialias,
            )
            pixels = planes.view(-1, 3, *size)
            # The published pipelines resize to 8-bit images.
            pixels = pixels.round_().clamp_(0, 255)
        chunks.append(pixels[..., top : top + spec.height, left : left + spec.width])
    return normalise(spec, torch.cat(chunks).transpose(0, 1).div_(255)).contiguous()


def normalise(spec: InputSpec, pixels: torch.Tensor) -> torch.Tensor:
    """Pixels in [0, 1] in the network's values.

    Args:
        spec: the network's input.
        pixels: float32 [3, T, H, W], RGB.
    """
    low, high = spec.value_range
    mean, std = (
        torch.tensor(values, device=pixels.device).view(3, 1, 1, 1)
        for values in (spec.mean, spec.std)
    )
    if spec.value_range != (0.0, 1.0):
        pixels = low + (high - low) * pixels
    return (pixels - mean) / std
