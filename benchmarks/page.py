"""Sections of the documents that benchmarks write."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
ROWS = DOCS / "performance-rows.md"
END = "<!-- end of measured -->"


def begin(command: str) -> str:
    """The line with which the section of a command begins."""
    return f"<!-- measured: {command} -->"


def write_section(path: Path, command: str, lines: Sequence[str]) -> None:
    """Replace a command's section by new lines."""
    head, _, rest = path.read_text("utf-8").partition(begin(command))
    _, _, tail = rest.partition(END)
    path.write_text("\n".join([f"{head}{begin(command)}", "", *lines, "", f"{END}{tail}"]), "utf-8")
