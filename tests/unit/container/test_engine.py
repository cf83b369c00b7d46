"""The environment of the container test's tools."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from tests.container import engine


def test_debians_tools_get_nothing_of_the_callers_but_the_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TMPDIR", "TEMP", "PYTHONPATH", "LD_PRELOAD", "DOCKER_HOST", "LANG"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    environment = engine.system_environment()
    assert environment["https_proxy"] == "http://proxy:3128"
    assert "/elsewhere" not in environment.values()
    assert shutil.which("env", path=environment["PATH"])


def test_mktemp_works_where_the_callers_folder_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # What update-ca-certificates does in its chroot.
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    assert subprocess.run(["mktemp", "-u", "-d"], capture_output=True, check=False).stdout
    engine._call("sh", "-c", "rmdir $(mktemp -d)")
