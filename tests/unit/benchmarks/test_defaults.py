"""The measurement by which the defaults were chosen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.defaults import report
from benchmarks.defaults.__main__ import RESULTS, tasks
from benchmarks.defaults.material import synthetic
from benchmarks.defaults.measure import Measurement

from videovisual import motion, zoo
from videovisual.attribution import catalogue


def test_a_row_says_what_was_predicted_and_where_the_map_is() -> None:
    (material,) = synthetic(1)
    measurement = Measurement(zoo.load("tsm-motion"), points=4)
    row = measurement.row(material, 8, "grad_cam", {"layer": "layer2"})
    assert row["label"] == motion.LABELS[motion.sample(0).label]
    assert row["time_cells"] == 8
    assert 0 <= row["pointing"] <= 1
    assert row["insertion"] > row["deletion"]
    _, across, down = row["peak"]
    assert row["at_border"] == (min(across, down, 1 - across, 1 - down) < 0.08)


def test_every_task_is_a_method_and_parameters_that_there_are() -> None:
    for model, frames, method, given in tasks():
        catalogue.find(method).parse(given)
        spec = zoo.card(model).input
        assert spec.min_frames <= frames <= spec.max_frames


def test_the_page_shows_the_kept_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "methods.md"
    page.write_text(report.PAGE.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(report, "PAGE", page)
    kept = Path(report.page.DOCS / "methods.md").read_text("utf-8")
    report.write(json.loads(RESULTS.read_text("utf-8")))
    assert page.read_text("utf-8") == kept, "run `python -m benchmarks.defaults`"
