"""What is decided before TorchServe starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from videovisual.errors import InvalidParameter, WriteError
from videovisual.utils.environment import for_pip, for_torchserve
from videovisual_client.torchserve import SOCKET_BYTES, Server, ServerError


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "m.mar").touch()
    return tmp_path


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_a_port_that_was_asked_for_is_not_replaced(store: Path, offset: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = Server(["m"], store=store, port=port - offset)
        with pytest.raises(ServerError, match=f"Port {port} on 127.0.0.1 is in use"):
            server.start()
        server.stop()


def test_a_run_folder_that_cannot_be_written(store: Path) -> None:
    (store / "file").touch()
    with pytest.raises(WriteError, match="is a file"):
        Server(["m"], store=store, run_folder=store / "file" / "run").start()


def test_sockets_of_a_long_run_folder_are_elsewhere(store: Path) -> None:
    server = Server(["m"], store=store)
    server.folder = store / ("x" * 90)
    server.folder.mkdir()
    private = server._private()
    assert private.is_dir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(private / ".ts.sock.65535"))
    assert len(str(private)) < SOCKET_BYTES
    server.run_folder = server.folder
    server.stop()
    assert not private.exists()


def test_foreign_programs_get_an_environment_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TS_CONFIG_FILE", "LOG_LOCATION", "METRICS_LOCATION", "PIP_CONSTRAINT"):
        monkeypatch.setenv(name, "/elsewhere")
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror")
    monkeypatch.setenv("TMPDIR", "/elsewhere")
    served = for_torchserve(TMPDIR="/here")
    assert served["TMPDIR"] == "/here"
    assert not served.keys() & {"TS_CONFIG_FILE", "LOG_LOCATION", "METRICS_LOCATION"}
    pip = for_pip()
    assert pip["PIP_INDEX_URL"] == "https://mirror"
    assert "PIP_CONSTRAINT" not in pip


def test_wrong_settings_are_refused_before_torchserve_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "settings.json"
    file.write_text('{"decoders": 0}')
    monkeypatch.setenv("VIDEOVISUAL_SETTINGS", str(file))
    (tmp_path / "any.mar").touch()
    with pytest.raises(InvalidParameter, match="decoders = 0"):
        Server(["any"], store=tmp_path, run_folder=tmp_path / "run").start()
    assert not (tmp_path / "run").exists()
