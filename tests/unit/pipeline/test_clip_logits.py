"""A number of frames that a network turns out not to take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from videovisual import Classifier, InputSpec, explain
from videovisual.errors import InvalidParameter, PredictorUnreachable, ScoresError

LABELS = ["a", "b", "c"]
INPUT = InputSpec(frames=16, size=8)
CLIP = np.random.default_rng(0).integers(0, 255, (40, 8, 8, 3), dtype=np.uint8)


class Flat(nn.Module):
    """Takes 16 frames and no other number."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3 * 16 * 8 * 8, len(LABELS))

    def forward(self, clips: torch.Tensor) -> Any:
        return self.head(clips.flatten(1))


def function(error: Exception) -> Classifier:
    """Scores of 16 frames; the error for any other number."""

    def scores(clips: np.ndarray[Any, Any]) -> Any:
        if clips.shape[2] != 16:
            raise error
        return clips.reshape(len(clips), 3, -1).mean(-1)

    return Classifier.from_scores(scores, LABELS, INPUT)


MODELS = {
    "module": lambda: Classifier.from_module(Flat(), LABELS, INPUT),
    "function": lambda: function(ValueError("16 frames, please")),
}


@pytest.mark.parametrize("window", ["centre", "best"])
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_another_number_of_frames_is_refused(make: Callable[[], Classifier], window: Any) -> None:
    model = make()
    assert explain(model, CLIP, "rise", window=window, masks=2).map.shape == (16, 8, 8)
    with pytest.raises(InvalidParameter, match=r"frames = 24 .*described with 16.*failed") as told:
        explain(model, CLIP, "rise", window=window, masks=2, frames=24)
    assert told.value.detail["parameter"] == "frames"


def test_what_is_not_of_the_number_of_frames_stays() -> None:
    gone = PredictorUnreachable("The predictor is gone.")
    with pytest.raises(PredictorUnreachable):
        explain(function(gone), CLIP, "rise", masks=2, frames=24)


def test_a_failure_for_its_own_number_stays() -> None:
    broken = [False]

    def scores(clips: np.ndarray[Any, Any]) -> Any:
        if broken[0]:
            raise ValueError("broken")
        return clips.reshape(len(clips), 3, -1).mean(-1)

    model = Classifier.from_scores(scores, LABELS, INPUT)
    broken[0] = True
    with pytest.raises(ScoresError, match="broken"):
        explain(model, CLIP, "rise", masks=2)
