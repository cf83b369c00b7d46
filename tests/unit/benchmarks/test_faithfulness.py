"""The rows of the faithfulness tables."""

from __future__ import annotations

from typing import Any

from benchmarks.faithfulness.measure import Score
from benchmarks.faithfulness.summary import summarise


def score(clip: int, label: int, **measures: Any) -> Score:
    known = {"pointing": 1.0, "iou": 0.5, "insertion": 0.9, "deletion": 0.1, "sensitivity_n": 0.5}
    return Score(clip, label, seconds=1.0, **{**known, **measures})


def test_undefined_measures_are_left_out_of_the_means() -> None:
    scores = [
        score(0, 0, sensitivity_n=None, similarity=None),
        score(1, 0, sensitivity_n=0.2, similarity=0.4),
        score(2, 1, sensitivity_n=0.6),
        score(3, 2, sensitivity_n=None),
    ]
    row = summarise(scores)
    assert row["sensitivity_n"] == 0.4
    assert (row["similarity"], row["similarities"]) == (0.4, 1)
    assert summarise(scores[:1])["sensitivity_n"] is None
