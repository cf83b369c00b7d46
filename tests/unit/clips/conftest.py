"""Fixtures for clips."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.clips.makers import encode, paint, picture


@pytest.fixture(scope="session")
def mp4():
    """H.264 with B-frames in groups of 12: 40 frames of 176×96 at 25 frames a second."""
    return encode(options=(("bf", "3"),))


@pytest.fixture(scope="session")
def frames():
    """12 numbered frames, uint8 [12, 48, 64, 3]."""
    return np.stack([paint(number, 64, 48) for number in range(12)])


@pytest.fixture(scope="session")
def pngs(frames):
    """The same, each a PNG."""
    return [picture(frame) for frame in frames]
