"""Grad-CAM against what padding alone makes active."""

from __future__ import annotations

import pytest
import torch

from videovisual import explain, motion, zoo


@pytest.mark.parametrize("name", ["i3d-motion", "r3d-motion"])
def test_a_clip_that_shows_nothing_has_an_empty_map(name: str) -> None:
    """Zero padding makes cells at the border active, and Grad-CAM as published marks them."""
    model = zoo.load(name)
    blank = torch.zeros(3, 16, 64, 64)
    assert explain(model, blank, "grad_cam").map.max() == 0
    assert explain(model, blank, "grad_cam", baseline="none").map.max() > 0


def test_the_baseline_is_the_one_that_is_asked_for() -> None:
    model, frames = zoo.load("r3d-motion"), motion.sample(0).frames
    maps = {
        name: explain(model, frames, "grad_cam", baseline=name).map
        for name in ("grey", "none", "black", "blur")
    }
    assert (explain(model, frames, "grad_cam").map == maps["grey"]).all()
    assert all((maps["grey"] != maps[name]).any() for name in ("none", "black", "blur"))
