"""The environment that `make` prepares."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OLD = """#!/bin/sh
# Python 3.9, as far as anybody asks it.
if [ "$1" = -c ]; then
    code="import sys; sys.version_info = (3, 9, 20, 'final', 0); exec(sys.argv[1])"
    exec {python} -c "$code" "$2"
fi
exec {python} "$@"
"""


@pytest.fixture
def make(tmp_path: Path) -> list[str]:
    if shutil.which("make") is None:
        pytest.skip("needs make")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    # Nothing is installed: pip itself is no part of the test.
    return ["make", "-C", str(tmp_path), ".venv/demo-installed", "PIP=true"]


def old_python(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(OLD.format(python=sys.executable))
    path.chmod(0o755)
    return path


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_an_old_python_is_refused_and_leaves_nothing(make: list[str], tmp_path: Path) -> None:
    done = run(*make, f"PYTHON={old_python(tmp_path / 'python3.9')}")
    assert done.returncode != 0
    assert "Python 3.10 or newer is needed, and this is 3.9" in done.stderr
    assert not (tmp_path / ".venv").exists()


@pytest.mark.slow
def test_an_environment_of_an_old_python_is_made_anew(make: list[str], tmp_path: Path) -> None:
    left = old_python(tmp_path / ".venv" / "bin" / "python")
    (tmp_path / ".venv" / "left").touch()
    done = run(*make, f"PYTHON={sys.executable}")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".venv" / "left").exists()
    assert run(str(left), "-m", "pip", "--version").returncode == 0
    (tmp_path / ".venv" / "kept").touch()
    assert run(*make, "--always-make", f"PYTHON={sys.executable}").returncode == 0
    assert (tmp_path / ".venv" / "kept").exists()
