"""When `make headline` fails, and what it writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.headline import __main__ as headline
from benchmarks.headline.figure import Better, Figure, compare, joined, repeat, table
from benchmarks.headline.plan import Plan
from click.testing import CliRunner, Result

KEPT = Figure("search", "ratio", (9.0, 10.0, 11.0))


@pytest.mark.parametrize(
    ("now", "better", "verdict"),
    [
        ((10.0,), "higher", "equal"),
        ((8.1, 8.2, 30.0), "higher", "equal"),
        ((7.9, 7.9, 8.0), "higher", "fell"),
        ((1.0, 7.9, 30.0), "higher", "fell"),
        ((12.5,), "higher", "better"),
        ((12.5,), "lower", "fell"),
        ((7.5,), "lower", "better"),
    ],
)
def test_a_figure_falls_by_more_than_its_kept_spread(
    now: tuple[float, ...], better: Better, verdict: str
) -> None:
    kept = Figure(KEPT.group, KEPT.measure, KEPT.values, better)
    (found,) = compare([kept], [Figure("search", "ratio", now, better)])
    assert found.verdict == verdict


def test_equal_repetitions_still_have_a_spread() -> None:
    kept = Figure("search", "ratio", (1.0, 1.0))
    for now, verdict in ((0.98, "equal"), (0.96, "fell")):
        (found,) = compare([kept], [Figure("search", "ratio", (now,))])
        assert found.verdict == verdict


def test_a_kept_figure_may_be_missing_and_a_measured_one_new() -> None:
    new = Figure("search", "other", (1.0,))
    missing, added = compare([KEPT], [new])
    assert (missing.verdict, added.verdict) == ("missing", "new")
    assert table([missing, added]).splitlines()[2:] == [
        "| ratio | 10 |  | 2 | missing |",
        "| other |  | 1 |  | new |",
    ]


def test_a_joined_figure_has_the_spread_between_runs() -> None:
    one, other = (Figure("g", "m", values) for values in ((5.4, 5.5), (4.3, 4.4)))
    (both,) = joined([one], [other])
    assert both.values == (5.4, 5.5, 4.3, 4.4)
    assert compare([one], [other])[0].verdict == "fell"
    assert compare([both], [other])[0].verdict == "equal"


def test_repetitions_end_with_their_budget() -> None:
    assert list(repeat(lambda: 1, 3, budget_s=60)) == [1, 1, 1]
    assert list(repeat(lambda: 1, 3, budget_s=0)) == [1, 1]
    assert list(repeat(lambda: 1, 1, budget_s=0)) == [1]


def invoke(output: Path, *words: str) -> Result:
    return CliRunner().invoke(headline.main, ["--output", str(output), *words])


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Repetitions of the only figure, which a test may change."""
    values = [9.0, 10.0, 11.0]

    def group(_plan: Plan) -> Iterator[Figure]:
        yield Figure("search", "ratio", tuple(values))

    monkeypatch.setattr(headline, "GROUPS", {"search": group})
    return values


ONLY = ("--groups", "search")


def test_a_planted_fall_fails_and_noise_passes(tmp_path: Path, values: list[float]) -> None:
    output = tmp_path / "headline.json"
    assert invoke(output, *ONLY).exit_code == 2, "nothing is kept"
    assert invoke(output, *ONLY, "--keep").exit_code == 0
    kept = json.loads(output.read_text("utf-8"))
    assert kept["machine"]["cpu"]
    (figure,) = kept["figures"]
    assert [figure[name] for name in ("minimum", "median", "maximum")] == [9.0, 10.0, 11.0]

    values[:] = [8.5, 9.0, 9.5]
    assert invoke(output, *ONLY).exit_code == 0
    values[:] = [7.0, 7.5, 8.0]
    failed = invoke(output, *ONLY)
    assert failed.exit_code == 1
    assert "ratio: fell" in failed.output


def test_a_group_that_raises_fails_and_keeps_nothing(
    tmp_path: Path, values: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "headline.json"
    invoke(output, *ONLY, "--keep")
    kept = output.read_text("utf-8")

    def broken(_plan: Plan) -> Iterator[Figure]:
        raise RuntimeError("no server")
        yield

    monkeypatch.setattr(headline, "GROUPS", {"search": broken})
    failed = invoke(output, *ONLY)
    assert failed.exit_code == 1
    assert "search failed; ratio: missing" in failed.output
    assert invoke(output, *ONLY, "--keep").exit_code == 1
    assert output.read_text("utf-8") == kept


def test_quick_figures_are_not_kept(tmp_path: Path) -> None:
    assert invoke(tmp_path / "headline.json", "--quick", "--keep").exit_code == 2


def test_it_measures(tmp_path: Path) -> None:
    done = invoke(tmp_path / "headline.json", "--quick", "--groups", "grad_cam")
    assert done.exit_code == 0, done.output
    assert done.output.count("| new |") == 1
