"""A company's environment: loopback uses no proxy, and a broken setting is one clear error."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from deploy.container.ready import why_not_ready
from tests.unit.client.conftest import Run
from tests.unit.client.fake_server import FakeServer, Reply, answer, serving
from tests.unit.utils.test_network import BROKEN

from videovisual.zoo.weights_io.http import download
from videovisual_client import AsyncClient, Client, NetworkSettingsError
from videovisual_client.doctor import Level
from videovisual_client.doctor import server as server_check
from videovisual_client.torchserve import Server

Frames = npt.NDArray[np.uint8]


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """A proxy that the environment names, and that must not be asked."""
    with serving() as proxy:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        yield proxy


def test_loopback_is_reached_directly(proxy: FakeServer, fake: FakeServer, clip: Frames) -> None:
    for host in ("127.0.0.1", "localhost"):
        with Client(fake.url.replace("127.0.0.1", host), token="secret") as client:
            assert client.classify(clip, model="m").predictions

    async def main() -> None:
        async with AsyncClient(fake.url, token="secret") as client:
            assert (await client.classify(clip, model="m")).predictions

    asyncio.run(main())
    assert proxy.received == []


def test_a_remote_address_uses_the_proxy(proxy: FakeServer, clip: Frames) -> None:
    with Client("http://videovisual.invalid", token="") as client:
        assert client.classify(clip, model="m").predictions
    assert len(proxy.received) == 1


def test_the_management_address_is_reached_directly_too(
    proxy: FakeServer, fake: FakeServer, clip: Frames, tmp_path: Path
) -> None:
    # The inference address is a remote one, for which the proxy is right.
    keys = tmp_path / "key_file.json"
    keys.write_text(json.dumps({"inference": {"key": "old"}, "API": {"key": "master"}}))
    refused = {"code": 400, "type": "InvalidKeyException", "message": "No."}
    proxy.reply_with(Reply(refused, 400), Reply(answer().model_dump(mode="json")))

    def renew(_: object) -> Reply:
        keys.write_text(json.dumps({"inference": {"key": "new"}}))
        return Reply(b"")

    fake.handler = renew
    given = {"key_file": keys, "management_url": fake.url}
    with Client("http://videovisual.invalid", **given) as client:
        assert client.classify(clip, model="m").predictions
    assert [request.token for request in fake.received] == ["master"]
    assert [request.token for request in proxy.received] == ["old", "new"]


def test_doctor_and_the_readiness_checks(
    proxy: FakeServer, fake: FakeServer, tmp_path: Path
) -> None:
    fake.reply_with(Reply({"status": "Healthy"}))
    (finding,) = server_check(fake.url, "secret", None)
    assert finding.level is Level.OK
    fake.reply_with(Reply([{"workers": [{"status": "READY", "pid": "1"}]}]))
    server = Server(["m"], run_folder=tmp_path)
    server.folder, server.management_url = tmp_path, fake.url
    assert server.is_ready("m")
    settings = f"management_address={fake.url}\nload_models=m=m.mar\n"
    (tmp_path / "config.properties").write_text(settings)
    assert why_not_ready(tmp_path) == ""
    assert proxy.received == []


@pytest.mark.parametrize("variables", BROKEN)
def test_a_broken_setting(
    monkeypatch: pytest.MonkeyPatch,
    fake: FakeServer,
    clip: Frames,
    run: Run,
    tmp_path: Path,
    variables: dict[str, str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with Client(fake.url, token="") as client:
        assert client.classify(clip, model="m").predictions
    for kind in (Client, AsyncClient):
        with pytest.raises(NetworkSettingsError):
            kind("http://videovisual.invalid", token="")
    with pytest.raises(NetworkSettingsError):
        download("http://videovisual.invalid/x", tmp_path / "x", lambda *_: None)
    np.savez(tmp_path / "clip.npz", frames=clip)
    words = ["classify", tmp_path / "clip.npz", "--model", "m"]
    assert run(*words).exit_code == 0
    done = run(*words, "--url", "http://videovisual.invalid")
    assert done.exit_code == 1
    assert done.stderr.startswith("network_settings: ")
    (finding,) = server_check("http://videovisual.invalid", "", None)
    assert finding.level is Level.WRONG
    assert next(iter(variables)) in finding.found


def test_downloads_use_the_proxy(proxy: FakeServer, tmp_path: Path) -> None:
    proxy.reply_with(Reply(b"weights"))
    download("http://videovisual.invalid/x", tmp_path / "x", lambda *_: None)
    assert (tmp_path / "x").read_bytes() == b"weights"
