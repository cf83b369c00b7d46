"""Figures by the commands, and the frames that they show."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.unit.client.conftest import Run
from tests.unit.client.fake_server import FakeServer, explain_or_classify

from videovisual_client.result import FORMATS, formats_with_video


def columns(path: Path) -> int:
    """How many frames a figure shows of a map."""
    pictures = list(ElementTree.parse(path).iter("{http://www.w3.org/2000/svg}image"))
    # Bare, and under the map; and the legend.
    return (len(pictures) - 1) // 2


@pytest.mark.parametrize("command", ["explain", "compare"])
def test_figures_show_the_frames_that_are_asked_for(
    fake: FakeServer, run: Run, clips: Path, command: str
) -> None:
    fake.handler = explain_or_classify
    words = [command, clips / "ironing-v_0", "--model", "m", "-o", "f.svg", "-o", "f.pdf"]
    for more, shown in (([], 2), (["--columns", "1"], 1), (["--columns", "0,1"], 2)):
        done = run(*words, *more)
        assert done.exit_code == 0, done.output
        assert columns(Path("f.svg")) == shown
        assert Path("f.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("wrong", ["0", "-2", "many", "0.2,", ",", "1,x"])
def test_columns_that_are_none_are_refused_before_the_request(
    fake: FakeServer, run: Run, clips: Path, wrong: str
) -> None:
    fake.handler = explain_or_classify
    words = ["explain", clips / "ironing-v_0", "--model", "m", "-o", "f.svg"]
    done = run(*words, "--columns", wrong)
    assert (done.exit_code == 0) == (wrong == "0.2,")
    assert bool(fake.received) == (wrong == "0.2,")
    folder = run("explain", clips, "--model", "m", "--columns", "3")
    assert folder.exit_code == 2
    assert "one clip" in folder.stderr


def test_without_matplotlib_the_message_names_the_extra(
    fake: FakeServer, run: Run, clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert formats_with_video() == list(FORMATS)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = run("explain", clips / "ironing-v_0", "--model", "m", "-o", "f.pdf")
    assert done.exit_code != 0
    assert "[figures]" in done.stderr
    assert fake.received == []
