"""Tiny networks of the transformers library with random weights, as classifiers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from videovisual.zoo import Classifier, InputSpec

INPUT = InputSpec(frames=8, size=32, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
SMALL = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "videomae": ("VideoMAE", {"image_size": 32, "patch_size": 8, "tubelet_size": 2}),
    "videomae-first-token": (
        "VideoMAE",
        {"image_size": 32, "patch_size": 8, "tubelet_size": 2, "use_mean_pooling": False},
    ),
    "vivit": ("Vivit", {"image_size": 32, "tubelet_size": [2, 8, 8]}),
    "timesformer": ("Timesformer", {"image_size": 32, "patch_size": 8}),
    "vjepa2": (
        "VJEPA2",
        {
            **{"crop_size": 32, "patch_size": 8, "frames_per_clip": 8, "tubelet_size": 2},
            **{"num_pooler_layers": 2, "pred_hidden_size": 12, "pred_num_hidden_layers": 1},
        },
    ),
}
"""The name of each family's classes, and its configuration of 8 frames of 32 × 32 pixels."""


def build(family: str, **settings: Any) -> nn.Module:
    """A network whose attention is far from uniform, the same for the same settings."""
    library = pytest.importorskip("transformers")
    name, own = FAMILIES[family]
    settings.setdefault("attn_implementation", "eager" if family == "timesformer" else "sdpa")
    frames = {} if family == "vjepa2" else {"num_frames": 8}
    config = getattr(library, f"{name}Config")(**{**SMALL, **frames, **own, **settings})
    config.num_labels = 3
    network: nn.Module = getattr(library, f"{name}ForVideoClassification")(config)
    generator = torch.Generator().manual_seed(2)
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        fan_in = max(1, parameter.numel() // len(parameter)) if parameter.ndim > 1 else 100
        scale = 1.5 * fan_in**-0.5
        parameter.data.copy_(scale * noise + (parameter.ndim == 1))
    return network.eval().requires_grad_(False)


def classifier(family: str, network: nn.Module | None = None) -> Classifier:
    """A family's network as a classifier of three classes."""
    argument = "pixel_values_videos" if family == "vjepa2" else "pixel_values"
    return Classifier.from_module(
        build(family) if network is None else network,
        ["up", "down", "still"],
        INPUT,
        layout="NTCHW",
        argument=argument,
    )
