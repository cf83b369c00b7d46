from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from tests.unit.client.server import Stage, serving

from videovisual_client import Client, exchange


@pytest.fixture
def stage() -> Iterator[Stage]:
    with serving() as stage:
        yield stage


@pytest.fixture
def client(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(exchange, "FIRST_PAUSE_S", 0.001)
    with Client(stage.url, token="secret") as client:
        yield client


@pytest.fixture
def clip() -> npt.NDArray[np.uint8]:
    return np.zeros((2, 8, 8, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frames = tmp_path / "frames"
    frames.mkdir()
    for index in range(12):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(frames / f"{index}.png")
    return frames
