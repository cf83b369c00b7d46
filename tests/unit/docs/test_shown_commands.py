"""The commands that the documents show are commands that there are."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from videovisual_client.cli import main

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown(page: Path) -> list[list[str]]:
    """The words of every `videovisual …` line in the page's shell blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [
        shlex.split(line, comments=True)[1:] for line in lines if line.startswith("videovisual ")
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_is_known(page: Path) -> None:
    for name, *words in shown(page):
        command = main.commands[name]
        known = {option for parameter in command.params for option in parameter.opts}
        given = {word for word in words if re.match(r"--?[a-z]", word)}
        assert given <= known, f"videovisual {name} has no {given - known}"


def test_there_is_something_to_look_at() -> None:
    assert {name for name, *_ in shown(ROOT / "README.md")} >= {"explain", "serve", "archive", "ui"}
