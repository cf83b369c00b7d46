from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from tests.unit.client.fake_server import FakeServer, serving

from videovisual_client import Client, exchange
from videovisual_client.cli import main

Run = Callable[..., Result]

LABELS = ("ironing", "Ironing", "juggling balls", "abseiling")


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with serving() as fake:
        yield fake


@pytest.fixture
def client(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setattr(exchange, "FIRST_PAUSE_S", 0.001)
    with Client(fake.url, token="secret") as client:
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


@pytest.fixture
def run(fake: FakeServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(exchange, "FIRST_PAUSE_S", 0.001)

    def run(*arguments: str | Path) -> Result:
        place = [] if "--url" in arguments else ["--url", fake.url]
        return CliRunner().invoke(main, [*map(str, arguments), *place, "--token", ""])

    return run


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """The seed's layout: a folder of frames a clip, its label before the first dash."""
    root = tmp_path / "clips"
    for number, label in enumerate(LABELS):
        folder = root / f"{label}-v_{number}"
        folder.mkdir(parents=True)
        for index in range(2):
            Image.new("RGB", (8, 8), (number, index, 0)).save(folder / f"{index}.png")
    (root / ".hidden").mkdir()
    return root
