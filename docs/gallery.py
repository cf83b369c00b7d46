"""Makes the pictures of `gallery.md` with its own commands: `python -m docs.gallery`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).with_suffix(".md")
PICTURES = PAGE.with_suffix("")
"""The folder of the pictures."""

BLOCK = re.compile(r"```(python|sh)\n(.*?)```", re.DOTALL)
SHOWN = re.compile(r"\]\(gallery/([^)#]+)\)")


def shown() -> list[str]:
    """The files that the page shows and links to."""
    return SHOWN.findall(PAGE.read_text("utf-8"))


def blocks() -> Iterator[tuple[str, str]]:
    """The languages and the code of the page's blocks, in order."""
    yield from BLOCK.findall(PAGE.read_text("utf-8"))


def make(folder: Path) -> None:
    """Run the page's blocks in a folder.

    Raises:
        CalledProcessError: one of them failed.
    """
    # The command of this environment, wherever the shell would look.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for language, code in blocks():
        words = [sys.executable, "-c", code] if language == "python" else ["sh", "-ec", code]
        subprocess.run(words, cwd=folder, env={**os.environ, "PATH": path}, check=True)


def main() -> None:
    """Make the pictures anew."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder))
        PICTURES.mkdir(exist_ok=True)
        for name in shown():
            shutil.copyfile(Path(folder, name), PICTURES / name)
            print(f"wrote {PICTURES / name}")


if __name__ == "__main__":
    main()
