"""The five architectures at a small width, trained on the project's own world, `Motion`.

They ship with the package, are quick on a processor, and their evidence is known: for tests, for
measuring explanations, and for a first look. `videovisual.training` makes them anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from videovisual.motion import FRAMES, LABELS, SIDE
from videovisual.zoo.card import InputSpec, ModelCard, WeightsCard


def _card(
    family: str,
    title: str,
    options: Mapping[str, Any],
    *,
    cam_layer: str,
    accuracy: float,
    size: int,
    sha256: str,
    frames: int = FRAMES,
) -> ModelCard:
    name = f"{family}-motion"
    return ModelCard(
        name=name,
        family=family,
        title=f"{title}, small, Motion",
        labels=LABELS,
        input=InputSpec(
            frames=frames,
            fps=None,
            resize=SIDE,
            crop=SIDE,
            mean=(0.5, 0.5, 0.5),
            std=(0.25, 0.25, 0.25),
            min_frames=8,
            max_frames=FRAMES,
            frame_multiple=8,
        ),
        cam_layer=cam_layer,
        blur_sigma=8.0,
        weights=WeightsCard(
            source=f"package:{name}.safetensors",
            size=size,
            sha256=sha256,
            licence="Apache-2.0",
            origin="this project, videovisual.training",
        ),
        accuracy=f"top-1 {accuracy} (500 held-out clips of Motion)",
        options=options,
    )


CARDS = (
    _card("i3d", "I3D", {"width": 0.25}, cam_layer="mixed_4f", accuracy=0, size=0, sha256=""),
    _card(
        "r2plus1d", "R(2+1)D-18", {"width": 8}, cam_layer="layer4", accuracy=0, size=0, sha256=""
    ),
    _card("r3d", "R3D-18", {"width": 8}, cam_layer="layer4", accuracy=0, size=0, sha256=""),
    _card("mc3", "MC3-18", {"width": 8}, cam_layer="layer4", accuracy=0, size=0, sha256=""),
    _card(
        "tsm",
        "TSM ResNet",
        {"width": 16, "blocks": (1, 2, 2, 0)},
        cam_layer="layer3",
        accuracy=0,
        size=0,
        sha256="",
        frames=8,
    ),
)
