"""Grad-CAM against what padding alone makes active."""

from __future__ import annotations

import pytest
import torch

from videovisual import explain, zoo
from videovisual.zoo import Classifier


@pytest.mark.parametrize("name", ["i3d-motion", "r3d-motion"])
def test_a_clip_that_shows_nothing_has_an_empty_map(name: str) -> None:
    """Zero padding makes cells at the border active, and Grad-CAM as published marks them."""
    model = zoo.load(name)
    blank = torch.zeros(3, 16, 64, 64)
    assert explain(model, blank, "grad_cam").map.max() == 0
    assert explain(model, blank, "grad_cam", baseline="none").map.max() > 0


def test_the_baseline_is_the_one_that_is_asked_for(motion_model: Classifier) -> None:
    clip = torch.rand(3, 16, 64, 64, generator=torch.Generator().manual_seed(0))
    maps = [
        explain(motion_model, clip, "grad_cam", target=0, baseline=name).map
        for name in ("grey", "none", "black", "blur")
    ]
    assert (explain(motion_model, clip, "grad_cam", target=0).map == maps[0]).all()
    assert all((maps[0] != other).any() for other in maps[1:])
