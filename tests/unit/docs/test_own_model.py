"""The README's lines for a network of a user's own, run as they are written."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torch import nn

ROOT = Path(__file__).parents[3]


def test_three_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = (ROOT / "README.md").read_text("utf-8").partition("## Your own model")[2]
    own = section.partition("Networks that others have published")[0]
    code = "".join(re.findall(r"```python\n(.*?)```", own, re.S))
    folder = tmp_path / "clip.mp4"
    folder.mkdir()
    for number in range(20):
        Image.fromarray(np.full((120, 160, 3), 10 * number, np.uint8)).save(
            folder / f"{number:03}.png"
        )
    monkeypatch.chdir(tmp_path)
    network = nn.Sequential(nn.AvgPool3d((16, 16, 16)), nn.Flatten(), nn.Linear(147, 3))
    exec(code, {"network": network})
    assert "wave" in (tmp_path / "report.html").read_text("utf-8")
    assert (tmp_path / "model_store" / "gestures.mar").is_file()
