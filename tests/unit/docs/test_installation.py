"""Who installs as the README says gets the tested versions, in an environment, at the told size."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
README = (ROOT / "README.md").read_text("utf-8")
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
ACTIVATE = "source .venv/bin/activate"


def by_hand() -> list[str]:
    """The commands of the README's installation by hand."""
    (block,) = re.findall(r"```sh\n(python3 -m venv .*?)```", README, re.DOTALL)
    return [command.strip() for line in block.splitlines() for command in line.split("&&")]


def test_every_installation_is_of_the_tested_versions() -> None:
    commands = re.findall(r"pip install [^`\n]+", README)
    assert len(commands) > 2
    assert [each for each in commands if "-c constraints.txt" not in each] == []


def test_the_environment_is_entered_before_anything_is_installed() -> None:
    assert by_hand()[:2] == ["python3 -m venv .venv", ACTIVATE]
    assert "pip install" in README.partition(ACTIVATE)[2]
    assert "pip install" not in README.partition(ACTIVATE)[0]


def test_torch_for_processors_comes_before_what_would_bring_another() -> None:
    torch, rest = by_hand()[2:]
    (index,) = re.findall(r"--index-url (\S+) torch$", torch)
    assert "[server" in rest
    assert f"make demo TORCH_INDEX={index}" in README
    assert f"TORCH_INDEX={index}" in MAKEFILE
    assert "--index-url $(TORCH_INDEX) torch" in MAKEFILE
    assert re.search(r"^PIP := .* -c constraints\.txt$", MAKEFILE, re.MULTILINE)
