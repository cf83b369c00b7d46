"""Changed clips: what is left of a clip when its motion, a region or a moment is taken away."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional as F

PARTS = 8
"""Into how many equal parts of its frames a clip is divided, fewer if it has fewer frames."""

BORDER = 1 / 8
"""Width of the border on each side, as a share of the height and of the width."""

STILL = 0.6
"""Where more than this share of the picture moves, there is no background to speak of."""

BINS = 256


def parts(frames: int) -> list[tuple[int, int]]:
    """First frame and end of each part of a clip of so many frames."""
    count = min(PARTS, frames)
    edges = [round(number * frames / count) for number in range(count + 1)]
    return list(pairwise(edges))


def border(height: int, width: int) -> torch.Tensor:
    """Where the border is: bool [H, W]."""
    down, across = max(1, round(BORDER * height)), max(1, round(BORDER * width))
    mask = torch.ones(height, width, dtype=torch.bool)
    mask[down : height - down, across : width - across] = False
    return mask


def moving(clip: torch.Tensor) -> torch.Tensor | None:
    """Where something moves at any time, bool [H, W]; None where that can't be told.

    A pixel's distance from its own median over time is split in two by Otsu's threshold (1979,
    https://doi.org/10.1109/TSMC.1979.4310076). A mask that doesn't change with time has no shape
    that would tell the motion again.

    Args:
        clip: float32 [3, T, H, W].

    Returns:
        The mask; None if nothing moves, or so much that no background is left, as when the camera
        moves.
    """
    distance = (clip - clip.median(dim=1, keepdim=True).values).abs().mean(dim=0)
    smooth = F.avg_pool2d(distance[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]
    threshold = _otsu(smooth)
    if threshold is None:
        return None
    mask = (smooth > threshold).any(dim=0)
    wide = F.max_pool2d(mask[None].float(), 3, stride=1, padding=1)[0] > 0
    return wide if 0 < wide.float().mean() <= STILL else None


def changed(
    clip: torch.Tensor, moving: torch.Tensor | None, strongest: int | None, seed: int
) -> Iterator[tuple[str, torch.Tensor]]:
    """The changed clips by the name of the change, each float32 [3, T, H, W].

    `shuffled`: frames in a random order. `reversed`: played backwards. `middle_frame` and
    `strongest_frame`: one frame held. `middle_hidden`, `border_hidden` and `moving_hidden`: a
    region is the clip's mean colour. `colour_only`: each frame is its mean colour. `without_N`:
    the frames of part N are the nearest other ones.

    Args:
        clip: float32 [3, T, H, W].
        moving: as `moving` gives it; `moving_hidden` is left out if None.
        strongest: the frame with most evidence; `strongest_frame` is left out if None.
        seed: of the random order.
    """
    frames, height, width = clip.shape[1:]
    order = np.random.default_rng(seed).permutation(frames)
    yield "shuffled", clip[:, torch.from_numpy(order)]
    yield "reversed", clip.flip(1)
    yield "middle_frame", _held(clip, frames // 2)
    if strongest is not None:
        yield "strongest_frame", _held(clip, strongest)
    colour = clip.mean(dim=(1, 2, 3), keepdim=True)
    edge = border(height, width)
    yield "middle_hidden", torch.where(edge, clip, colour)
    yield "border_hidden", torch.where(edge, colour, clip)
    if moving is not None:
        yield "moving_hidden", torch.where(moving, colour, clip)
    yield "colour_only", clip.mean(dim=(2, 3), keepdim=True).expand_as(clip)
    for number, (start, end) in enumerate(parts(frames)):
        yield f"without_{number}", clip[:, _without(frames, start, end)]


def _held(clip: torch.Tensor, frame: int) -> torch.Tensor:
    return clip[:, frame : frame + 1].expand_as(clip)


def _without(frames: int, start: int, end: int) -> list[int]:
    """For each frame itself, and within a part the nearest frame outside of it."""
    outside = [*range(start), *range(end, frames)] or [0]
    return [
        min(outside, key=lambda other: abs(other - frame)) if start <= frame < end else frame
        for frame in range(frames)
    ]


def _otsu(values: torch.Tensor) -> float | None:
    """The threshold that splits values into two classes of least variance; None for equal ones."""
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return None
    counts = torch.histc(values, BINS, low, high).double().cpu()
    middles = torch.linspace(low, high, 2 * BINS + 1, dtype=torch.float64)[1::2]
    below, total = counts.cumsum(0), counts.sum()
    sums = (counts * middles).cumsum(0)
    between = (sums[-1] * below - total * sums) ** 2 / (below * (total - below)).clamp(min=1)
    return float(middles[between.argmax()])
