"""When a quick search counts as good as a published one."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.quality.summary import compare


def presets(objective: float, hard: float, clips: int = 3) -> dict[str, dict[str, Any]]:
    """Results of both presets that differ by a factor and a summand."""
    theirs = {"objective": 4.0, "hard": 0.9, "soft": 0.9, "iterations": 2000}
    ours = theirs | {"objective": 4.0 * objective, "hard": 0.9 + hard, "iterations": 50}
    return {
        "quick": {str(clip): ours for clip in range(clips)},
        "reference": {str(clip): theirs for clip in range(clips)},
    }


@pytest.mark.parametrize(
    ("objective", "hard", "equal"),
    [(1.0, 0.0, True), (1.019, -0.009, True), (1.03, 0.0, False), (0.9, -0.02, False)],
)
def test_both_must_hold(objective: float, hard: float, equal: bool) -> None:
    comparison = compare(presets(objective, hard))
    assert comparison is not None
    assert comparison.objective == pytest.approx(objective)
    assert comparison.hard == pytest.approx(hard)
    assert comparison.iterations == 50
    assert comparison.equal == equal


def test_only_clips_that_both_have_searched_count() -> None:
    results = presets(1.0, 0.0)
    del results["reference"]["2"]
    results["quick"]["2"] = {"objective": 100.0, "hard": 0.0, "soft": 0.0, "iterations": 1}
    comparison = compare(results)
    assert comparison is not None
    assert comparison.clips == 2
    assert comparison.objective == pytest.approx(1.0)
    assert compare({"quick": results["quick"]}) is None
