"""Transparent pixels over black."""

import numpy as np

from videovisual.clips.source import Frames


def over_black(pixels: Frames) -> Frames:
    """Lay straight-alpha RGBA, uint8 [H, W, 4], over black: uint8 [H, W, 3], rounded."""
    if pixels[..., 3].min() == 255:
        return pixels[..., :3]
    alpha = pixels[..., 3:].astype(np.uint16)
    return ((pixels[..., :3] * alpha + 127) // 255).astype(np.uint8)
