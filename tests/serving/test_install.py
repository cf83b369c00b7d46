"""The base install against a real TorchServe."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests import light
from tests.serving.api import Api
from tests.serving.conftest import QUICK

from videovisual.protocol import Answer
from videovisual.protocol.npz import to_npz
from videovisual_client.torchserve import Server

ROOT = Path(__file__).parents[2]
MAX_BYTES = 60_000_000
"""What the client may add to an environment, bytecode included."""


def size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int]:
    """An environment's folder of programs, and by how many bytes it grew."""
    work = tmp_path_factory.mktemp("install")
    # Setuptools builds where the sources are.
    for name in ("archive_scripts", "client", "handlers"):
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, work / "source" / name, ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, work / "source")
    home = work / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    before = size(home)
    programs = home / "bin"
    constraints = ["-c", str(ROOT / "constraints.txt")]
    subprocess.run(
        [programs / "python", "-m", "pip", "install", "-q", *constraints, str(work / "source")],
        check=True,
    )
    return programs, size(home) - before


def place(server: Server) -> list[str]:
    return ["--model", QUICK, "--url", server.url, "--key-file", str(server.key_file)]


def ask(programs: Path, *words: str) -> str:
    done = subprocess.run(
        [programs / "videovisual", *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_extras_a_map_is_saved_as_the_server_would(
    small_api: Api, server: Server, video: Path, tmp_path: Path
) -> None:
    saved = tmp_path / "map.npz"
    asked = ["--method", "gradient", "-o", str(saved)]
    (done,) = light.videovisual(["explain", str(video), *place(server), *asked])
    assert done.status == 0, done.error
    fields = {"method": "gradient", "output": "npz"}
    served = small_api.explain(files={"video": video.read_bytes()}, data=fields)
    assert saved.read_bytes() == served.content


@pytest.mark.slow
def test_the_client_is_small_and_has_no_arrays(installed: tuple[Path, int]) -> None:
    programs, grown = installed
    assert grown <= MAX_BYTES
    assert "explain" in ask(programs, "--help")
    for name in light.REFUSED:
        found = f"import importlib.util, sys; sys.exit(bool(importlib.util.find_spec('{name}')))"
        assert subprocess.run([programs / "python", "-c", found], check=False).returncode == 0, name


@pytest.mark.slow
def test_the_client_asks_a_real_server(
    installed: tuple[Path, int], server: Server, video: Path, tmp_path: Path
) -> None:
    programs, _ = installed
    saved = tmp_path / "map.npz"
    asked = ["--method", "gradient", "-o", str(saved), "--json"]
    said = ask(programs, "explain", str(video), *place(server), *asked)
    assert saved.read_bytes() == to_npz(Answer.model_validate_json(said))
