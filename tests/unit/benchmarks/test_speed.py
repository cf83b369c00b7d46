"""The benchmark of speed, and its page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from benchmarks import page
from benchmarks.row import Row, table
from benchmarks.speed import gradients, report
from benchmarks.speed.__main__ import main, merge
from benchmarks.speed.turns import by_turns
from click.testing import CliRunner

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_it_runs(tmp_path: Path, threads: None) -> None:
    output = tmp_path / "speed.json"
    words = ["--models", "r3d-motion", "--rows", "rate,share", "--rounds", "1", "--threads", "1"]
    done = CliRunner().invoke(main, [*words, "--output", str(output), "--no-documents"])
    assert done.exit_code == 0, done.output
    (run,) = json.loads(output.read_text("utf-8"))["runs"]
    rows = [Row(**row) for row in run["rows"]]
    assert [row.measure.partition(":")[0] for row in rows] == ["r3d-motion"] * 3
    assert 0 < rows[0].details["share"]["ours"] < 2
    assert all(0 < row.details["share"] < 1 for row in rows[1:])
    assert table(rows) in done.output


def test_a_turn_that_warms_up_does_not_count() -> None:
    turns: list[str] = []
    works = {name: lambda name=name: turns.append(name) for name in ("ours", "theirs")}
    assert set(by_turns(works, rounds=2)) == {"ours", "theirs"}
    assert turns == ["ours", "theirs"] * 3
    turns.clear()
    by_turns(works, rounds=2, warm=False)
    assert turns == ["ours", "theirs"] * 2


def test_a_row_replaces_its_kept_one_and_keeps_the_others() -> None:
    here, elsewhere = {"cpu": "here"}, {"cpu": "elsewhere"}
    runs = [
        {"when": "", "machine": elsewhere, "rows": [{"measure": "a"}, {"measure": "b"}]},
        {"when": "", "machine": here, "rows": [{"measure": "c", "measured": "old"}]},
    ]
    for measure in ("b", "c", "a"):
        merge(runs, {"measure": measure, "measured": "new"}, here)
    (run,) = runs
    assert run["machine"] == here
    assert [row["measure"] for row in run["rows"]] == ["c", "b", "a"]
    assert {row["measured"] for row in run["rows"]} == {"new"}


@pytest.mark.parametrize("file", ["speed.json", "speed-gpu.json"])
def test_the_page_holds_the_kept_figures(file: str) -> None:
    text = page.ROWS.read_text("utf-8")
    for run in json.loads((RESULTS / file).read_text("utf-8"))["runs"]:
        assert table(report.rows_of(run)) in text
        assert run["machine"]["cpu"] in text
    assert report.CHART.is_file()


def test_equal_error_needs_the_points_that_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        gradients, "_ours_map", lambda _subject, _case, steps: torch.tensor([1 + 1 / steps])
    )
    subject, integral = Mock(), torch.ones(1)
    found = gradients.equal_error(subject, [Mock()], [integral], [torch.tensor([1.025])])
    assert found.points is not None
    assert 40 <= found.points <= 48
    assert found.error <= found.theirs == pytest.approx(0.025)
    missed = gradients.equal_error(subject, [Mock()], [integral], [torch.tensor([1.001])])
    assert missed.points is None
    assert missed.error == pytest.approx(1 / gradients.MOST_STEPS)
