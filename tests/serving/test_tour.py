"""The tour of the documents, taken from its first cell to its last."""

from __future__ import annotations

import runpy
import tempfile
from pathlib import Path

import pytest

TOUR = Path(__file__).parents[2] / "docs" / "tour.py"


@pytest.mark.slow
def test_the_tour_runs_and_what_it_says_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = runpy.run_path(str(TOUR))
    said = capsys.readouterr().out

    points, overlaps = seen["points"], seen["overlaps"]
    assert points["step"] == 1, "it says that step finds the object in every frame"
    assert points["grad_cam"] < 0.5, "and that Grad-CAM misses it"
    assert points["integrated_gradients"] > 0.7, "and that integrated gradients point well"
    assert 0.3 < overlaps["step"] < 0.7
    assert max(overlaps, key=overlaps.__getitem__) == "step"
    assert min(overlaps, key=overlaps.__getitem__) == "noise"
    assert "caution! Not faithful" in said
    assert "caution! Unlikely" in said
    assert seen["wrong"].diagnostics["converged"]

    assert seen["steps"] == sorted(seen["steps"])
    assert seen["gap"] < 1e-3, "the server's map is another"
    assert said.count("goes round") == 2, "the own checkpoint says it, here and served"
    assert seen["cancelled"]
    for name in ("strip.png", "report.html", "mine.png"):
        (made,) = tmp_path.glob(f"videovisual-tour-*/{name}")
        assert made.stat().st_size > 10_000
