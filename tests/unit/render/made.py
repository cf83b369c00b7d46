"""Panels and answers that are made up, so that every pixel's meaning is known."""

from __future__ import annotations

from typing import Any

import numpy as np
from tests.frames import blocks

from videovisual.protocol import Answer, Explanation, Prediction
from videovisual.render import Panel, panels
from videovisual.saliency import Saliency

CROP = {
    "source_height": 60,
    "source_width": 91,
    "top": 10.0,
    "left": 20.0,
    "height": 40.0,
    "width": 40.0,
}
"""Of frames of 91×60."""


def saliency(
    *,
    signed: bool = False,
    times: list[float] | None = None,
    stride: int | None = None,
    **facts: Any,
) -> Saliency:
    """Six frames of 16×16: +1 in a square of frame 2; in frame 3, -1 or nothing."""
    values = np.zeros((6, 16, 16), dtype=np.float32)
    values[2, 4:8, 4:8] = 1
    values[3, 4:8, 4:8] = -1 if signed else 0
    provenance = {"crop": CROP, "timestamps": times, "method": "gradient"}
    provenance |= {"temporal_stride": stride} if stride else {}
    return Saliency(values, signed, diagnostics=facts, provenance=provenance)


def panel(*, signed: bool = False, times: list[float] | None = None) -> Panel:
    return Panel(saliency(signed=signed, times=times), blocks(6, 60, 91), "a caption")


def answer(*saliencies: Saliency, label: str = "waving", method: str = "gradient") -> Answer:
    target = Prediction(index=3, label=label, probability=0.9, logit=4.0)
    other = Prediction(index=1, label="walking", probability=0.1, logit=1.0)
    return Answer(
        model="made-up",
        predictions=[target, other],
        explanations=[Explanation.of(made, method, target) for made in saliencies],
        clip={"frame_indices": [0, 1, 2, 3, 4, 5], "timestamps": None, "crop": CROP},
    )


def drawn(told: Answer) -> list[Panel]:
    maps = [explanation.to_saliency() for explanation in told.explanations]
    return panels(told, maps, blocks(6, 60, 91))
