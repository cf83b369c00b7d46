"""The container's entry point; a command that prints its arguments stands for `videovisual`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

CONTAINER = Path(__file__).parents[3] / "deploy" / "container"


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    command = tmp_path / "bin" / "videovisual"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
    command.chmod(0o755)
    return tmp_path / "run"


def arguments(run_folder: Path, *given: str, **environment: str) -> list[str]:
    """What the entry point gives to `videovisual`."""
    path = f"{run_folder.parent / 'bin'}{os.pathsep}{os.environ['PATH']}"
    plain = {name: value for name, value in os.environ.items() if name != "VIDEOVISUAL_SERVER"}
    done = subprocess.run(
        ["sh", str(CONTAINER / "entrypoint.sh"), *given],
        env=plain | {"PATH": path, "VIDEOVISUAL_RUN_FOLDER": str(run_folder)} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.splitlines()


def test_torchserve_serves_unless_another_server_is_named(run_folder: Path) -> None:
    found = arguments(run_folder, "r3d-motion", "a model")
    assert found[:5] == ["serve", "--store", f"{run_folder}/store", "--run-folder", str(run_folder)]
    assert found[-2:] == ["r3d-motion", "a model"]
    assert f"{CONTAINER}/config.properties" in found
    assert f"{CONTAINER}/log4j2.xml" in found
    assert "--host" not in found
    assert (run_folder / "torchserve.log").readlink() == Path("/dev/stderr")


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        (("r3d-motion", "--server", "uvicorn"), {}),
        (("--server=uvicorn",), {}),
        ((), {"VIDEOVISUAL_SERVER": "uvicorn"}),
        (("--server", "uvicorn"), {"VIDEOVISUAL_SERVER": "torchserve"}),
    ],
)
def test_uvicorn_serves_by_argument_or_variable(
    run_folder: Path, given: tuple[str, ...], environment: dict[str, str]
) -> None:
    found = arguments(run_folder, *given, **environment)
    assert found[0] == "serve"
    assert found[found.index("--host") + 1] == "0.0.0.0"
    assert found[found.index("--log-config") + 1] == f"{CONTAINER}/uvicorn.json"
    assert "--config" not in found
    assert not (run_folder / "torchserve.log").is_symlink()


def test_the_last_server_that_is_named_serves(run_folder: Path) -> None:
    given = ("--server", "uvicorn", "--server=torchserve")
    assert "--config" in arguments(run_folder, *given, VIDEOVISUAL_SERVER="uvicorn")


def test_the_explainer_is_started_as_kserve_does(run_folder: Path) -> None:
    given = ("--model_name", "gestures", "--predictor_host", "p:80", "--http_port", "8080")
    found = arguments(run_folder, "explainer", *given)
    assert found[0] == "explainer"
    assert found[-6:] == list(given)
    assert found[found.index("--host") + 1] == "0.0.0.0"
    assert "--store" not in found


def test_what_an_earlier_start_left_is_removed(run_folder: Path) -> None:
    for name in ("tmp", "store"):
        (run_folder / name).mkdir(parents=True)
        (run_folder / name / "old").touch()
    (run_folder / "url").write_text("http://gone")
    arguments(run_folder)
    assert sorted(path.name for path in run_folder.rglob("*")) == ["store", "torchserve.log"]
