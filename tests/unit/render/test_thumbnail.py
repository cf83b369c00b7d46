"""Small pictures of clips."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from videovisual.render.thumbnail import HEIGHT, stacked, thumbnail
from videovisual.saliency import Saliency


def opened(picture: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(picture)), dtype=int)


def clip(frames: int, height: int = 60, width: int = 80) -> np.ndarray:
    grey = np.arange(frames, dtype=np.uint8) * 10
    return np.broadcast_to(grey[:, None, None, None], (frames, height, width, 3)).copy()


@pytest.mark.parametrize(("frames", "shown"), [(1, 1), (3, 3), (16, 4)])
def test_frames_are_side_by_side(frames: int, shown: int) -> None:
    picture = opened(thumbnail(clip(frames), None))
    assert picture.shape[:2] == (HEIGHT, shown * round(HEIGHT * 80 / 60))


def test_the_frame_with_most_evidence_is_shown_with_its_map() -> None:
    values = np.zeros((16, 6, 8), np.float32)
    values[7, 2, 2] = 1
    frames = clip(16)
    frames[:] = 100
    frames[7] = 200
    picture = opened(thumbnail(frames, Saliency(values, signed=False)))
    tiles = np.split(picture, 4, axis=1)
    # Along the right edge there is nothing of the map.
    assert [round(tile[-10:, -10:].mean(), -2) for tile in tiles] == [100, 200, 100, 100]
    assert np.ptp(tiles[1]) > 40


@pytest.mark.parametrize("size", [(1, 500), (500, 1)])
def test_narrow_frames_have_a_picture(size: tuple[int, int]) -> None:
    assert opened(thumbnail(clip(2, *size), None)).shape[0] == HEIGHT


def test_pictures_are_stacked() -> None:
    one, two = thumbnail(clip(1), None), thumbnail(clip(4), None)
    assert opened(stacked([one, two])).shape[:2] == (2 * HEIGHT + 2, 4 * round(HEIGHT * 80 / 60))
