"""The page about evidence shows commands that work, and the code's tolerances and statuses."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.serving.clips import bikes_like_mp4

from videovisual.attribution import catalogue
from videovisual.evidence import Outcome, comparison
from videovisual_client import exits
from videovisual_client.cli import main
from videovisual_client.commands.verify_folder import STATUSES

PAGE = Path(__file__).parents[3] / "docs" / "evidence.md"
TEXT = PAGE.read_text("utf-8")


def blocks(language: str) -> str:
    return "".join(re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture(autouse=True)
def _beside_a_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("clips").mkdir()
    for name in ("clip.mp4", "clips/clip.mp4"):
        Path(name).write_bytes(bikes_like_mp4())


def test_the_commands_end_in_verified_records() -> None:
    lines = blocks("sh").replace("\\\n", " ").splitlines()
    done = [CliRunner().invoke(main, shlex.split(line)[1:]) for line in lines]
    assert [each.exit_code for each in done] == [0, 0, 0, 0, 0], done[-1].stdout
    (sentence,) = re.findall(r"ends with `(Verified: .*?)`", TEXT, re.DOTALL)
    assert " ".join(sentence.split()) in done[2].stdout
    assert "2 records: 2 verified" in done[-1].stdout


def test_the_python_runs_and_verifies() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python"), names)
    assert names["found"].outcome is Outcome.VERIFIED


def test_the_tolerances_are_those_of_the_code() -> None:
    (table,) = re.findall(r"<!-- tolerances -->(.*?)<!-- end", TEXT, re.DOTALL)
    figures = [
        tuple(map(float, re.findall(r"\d+\.?\d*", row)))
        for row in re.findall(r"\|[^|]*\| ((?:differ|corr).*?) \|", table)
    ]
    searched, explicit = comparison.SEARCHED, comparison.EXPLICIT
    assert figures == [
        (comparison.SCORE_TOLERANCE,),
        (searched.correlation, searched.scale),
        (explicit.correlation, explicit.scale),
    ]
    module = "perturbation.methods"
    searches = {entry.name for entry in catalogue.ENTRIES if entry.module == module}
    assert set(re.findall(r"`(\w+)`", table)) == set(comparison.SEARCHES) == searches


def test_the_statuses_are_those_of_the_command() -> None:
    rows = re.findall(r"^\| (\d)[^|]*\| ([a-z ]+?) \|", TEXT, re.MULTILINE)
    assert {int(status): name for status, name in rows} == {
        status: outcome for outcome, status in STATUSES.items()
    }
    assert STATUSES.items() > {(each.value, exits.OF_OUTCOMES[each]) for each in Outcome}
