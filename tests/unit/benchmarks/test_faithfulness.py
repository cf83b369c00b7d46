"""The rows of the faithfulness tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmarks.faithfulness.measure import Score, Task, measure
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


def test_a_method_that_does_not_suit_a_network_is_refused_there_alone() -> None:
    assert measure(Task("swin3d-motion", "attention_rollout", (0,), 0)) == []
    (found,) = measure(Task("videomae-motion", "attention_rollout", (0,), 0))
    assert 0 <= found.pointing <= 1


def test_the_page_says_which_models_refuse_a_method(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    from benchmarks import page
    from benchmarks.faithfulness import report

    methods = tmp_path / "methods.md"
    methods.write_text(f"before\n{page.begin(report.COMMAND)}\n{page.END}\nafter\n", "utf-8")
    monkeypatch.setattr(report, "PAGE", methods)
    monkeypatch.setattr(report, "CHART", tmp_path / "images" / "chart.svg")
    row = summarise([score(0, 0)])
    refused = {"clips": 1, "refused": True}
    every = {"random": row, "centre": row, "gradient": row | {"pointing": 0.5}}
    results = {"one": every | {"rollout": row}, "two": every | {"rollout": refused}}
    machine = {"cpu": "a processor", "cores": 2, "torch": "2"}
    report.write({"machine": machine, "results": results})
    lines = methods.read_text("utf-8").splitlines()
    means = [line.split(" | ")[:3] for line in lines if line.startswith("| `")][:4]
    # Its mean is higher, but of one model alone.
    assert [row[0] for row in means] == ["| `gradient`", "| `rollout`", "| `random`", "| `centre`"]
    assert [row[1] for row in means] == ["2", "1", "2", "2"]
    assert "| `rollout` | 1.000 | refused |" in lines
    assert report.CHART.exists()
