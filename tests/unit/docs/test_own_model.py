"""The README's lines for a network of a user's own, run as they are written."""

from __future__ import annotations

import re
import webbrowser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

ROOT = Path(__file__).parents[3]


def code_of(page: str, begin: str, end: str) -> str:
    section = (ROOT / page).read_text("utf-8").partition(begin)[2].partition(end)[0]
    return "".join(re.findall(r"```python\n(.*?)```", section, re.S))


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`clip.mp4` in the working directory: a folder of frames, which is read as a clip too."""
    folder = tmp_path / "clip.mp4"
    folder.mkdir()
    for number in range(20):
        Image.fromarray(np.full((120, 160, 3), 10 * number, np.uint8)).save(
            folder / f"{number:03}.png"
        )
    monkeypatch.chdir(tmp_path)
    return folder


def test_three_lines(tmp_path: Path, clip: Path) -> None:
    code = code_of("README.md", "## Your own model", "Networks that others have published")
    network = nn.Sequential(nn.AvgPool3d((16, 16, 16)), nn.Flatten(), nn.Linear(147, 3))
    exec(code, {"network": network})
    assert "wave" in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "model_store" / "gestures.mar").is_file()


@pytest.mark.slow
def test_from_a_checkpoint_of_own_classes_to_a_report(
    tmp_path: Path, clip: Path, torchvision: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer's MViT with three classes of their own, in at most six lines."""
    network = torchvision.models.get_model("mvit_v2_s", num_classes=3)
    torch.save({"state_dict": network.state_dict()}, "mine.pth")
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    code = code_of("docs/models.md", "From a checkpoint of your own classes", "archives one under")
    assert len([line for line in code.splitlines() if line]) <= 6
    exec(code, {})
    report = tmp_path / "report.html"
    assert opened == [report.as_uri()]
    shown = report.read_text("utf-8")
    assert all(label in shown for label in ("jump", "wave", "bow"))
