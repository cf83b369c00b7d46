"""Seeded source frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def blocks(count: int, height: int, width: int, seed: int = 0) -> npt.NDArray[np.uint8]:
    """A seeded clip of coloured blocks, uint8 [count, height, width, 3]; exact on every machine."""
    rng = np.random.default_rng(seed)
    grid = rng.integers(0, 256, (count, -(-height // 16), -(-width // 16), 3), dtype=np.uint8)
    return grid.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
