"""Packages that are not installed, and the command that installs them."""

from __future__ import annotations

import importlib
import json
import re
import shlex
import sys
from importlib import metadata
from pathlib import Path

import pytest

from videovisual.errors import MissingExtra
from videovisual.utils.extras import REASONS, install_command, needs

FALLBACK = "pip install -c constraints.txt -e '.[server]' (in a checkout of VideoVisual)"


class Installed:
    """A distribution that was installed from somewhere; None: from a registry."""

    def __init__(self, origin: dict[str, object] | None) -> None:
        self.text = origin and json.dumps(origin)

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.text


@pytest.fixture
def origin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with an awkward name; `pip` is this Python's."""
    monkeypatch.setattr("shutil.which", lambda _name: str(Path(sys.executable).parent / "pip"))
    folder = tmp_path / "a checkout's"
    folder.mkdir()
    return folder


def command(monkeypatch: pytest.MonkeyPatch, origin: dict[str, object] | None) -> str:
    monkeypatch.setattr(metadata, "distribution", lambda _name: Installed(origin))
    return install_command("server")


@pytest.mark.parametrize("extra", REASONS)
def test_a_missing_package_names_its_extra(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "absent", None)
    with pytest.raises(MissingExtra) as caught, needs(extra, "Do without."):
        importlib.import_module("absent.part")
    assert caught.value.message.endswith(f": {install_command(extra)}. Do without.")
    assert caught.value.detail == {"extra": extra}


def test_a_mistake_of_our_own_is_not_a_missing_package() -> None:
    with pytest.raises(ModuleNotFoundError), needs("server"):
        importlib.import_module("videovisual.absent")


def test_every_extra_is_one_of_the_distribution() -> None:
    said = (Path(__file__).parents[3] / "pyproject.toml").read_text("utf-8")
    assert set(REASONS) <= set(re.findall(r"^(\w+) = \[", said, re.MULTILINE))


def test_an_editable_installation_names_its_checkout(
    origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editable = {"url": origin.as_uri(), "dir_info": {"editable": True}}
    assert shlex.split(command(monkeypatch, editable)) == [
        *("pip", "install", "-e", f"{origin}[server]")
    ]
    (origin / "constraints.txt").touch()
    assert shlex.split(command(monkeypatch, editable)) == [
        *("pip", "install", "-c", f"{origin}/constraints.txt", "-e", f"{origin}[server]")
    ]


@pytest.mark.parametrize("how", [{"dir_info": {}}, {"archive_info": {"hash": "sha256=0"}}])
def test_a_folder_or_a_wheel_is_named_by_its_url(
    how: dict[str, object], origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shlex.split(command(monkeypatch, {"url": origin.as_uri(), **how})) == [
        *("pip", "install", f"videovisual[server] @ {origin.as_uri()}")
    ]


def test_a_repository_is_named_with_its_commit(
    origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloned = {"url": "https://example.org/v.git", "vcs_info": {"vcs": "git", "commit_id": "1f"}}
    assert command(monkeypatch, cloned) == (
        "pip install 'videovisual[server] @ git+https://example.org/v.git@1f'"
    )


def test_a_source_that_is_gone_is_not_named(origin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    origin.rmdir()
    gone = {"url": origin.as_uri(), "archive_info": {}}
    assert command(monkeypatch, gone) == command(monkeypatch, None) == FALLBACK


def test_a_package_without_a_distribution_is_for_a_checkout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    assert install_command("server") == FALLBACK


@pytest.mark.parametrize("pip", [None, "/elsewhere/bin/pip"])
def test_another_pip_is_not_called(
    pip: str | None, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda _name: pip)
    there = {"url": origin.as_uri(), "dir_info": {"editable": True}}
    assert shlex.split(command(monkeypatch, there))[:4] == [sys.executable, "-m", "pip", "install"]
