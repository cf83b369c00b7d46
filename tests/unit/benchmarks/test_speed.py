"""The benchmark of speed runs, and its page is that of its figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from benchmarks.row import Row, table
from benchmarks.speed import report
from benchmarks.speed.turns import by_turns
from click.testing import CliRunner

RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_it_runs(tmp_path: Path, threads: None) -> None:
    pytest.importorskip("captum")
    pytest.importorskip("torchray")
    speed = pytest.importorskip("benchmarks.speed.__main__")
    output = tmp_path / "speed.json"
    words = ["--models", "r3d-motion", "--rows", "rate,share", "--rounds", "1", "--threads", "1"]
    done = CliRunner().invoke(speed.main, [*words, "--output", str(output), "--no-documents"])
    assert done.exit_code == 0, done.output
    rows = [Row(**row) for row in json.loads(output.read_text("utf-8"))["rows"]]
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


@pytest.mark.parametrize(("device", "file"), [("cpu", "speed.json"), ("cuda", "speed-gpu.json")])
def test_the_page_holds_the_figures_that_were_measured(device: str, file: str) -> None:
    measured = json.loads((RESULTS / file).read_text("utf-8"))
    rows = [Row(**row) for row in measured["rows"]]
    page = report.PAGE.read_text("utf-8")
    assert table(rows) in page
    assert measured["machine"]["cpu"] in page
    assert report.CHART.is_file()
