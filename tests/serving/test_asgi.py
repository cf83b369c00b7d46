"""What uvicorn can and TorchServe can't, and what belongs to this server alone."""

from __future__ import annotations

import json
import signal
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from benchmarks.load.uvicorn import Uvicorn
from starlette.applications import Starlette
from tests.serving import clips
from tests.serving.api import TIMEOUT_S, Api, eventually
from tests.serving.conftest import ANOTHER, QUICK, STORE

from videovisual.errors import InvalidParameter
from videovisual_client import Client
from videovisual_client.asgi_server import AsgiServer
from videovisual_client.torchserve import Server

CLIP = clips.npz(clips.frames(16))
LONG = {"method": "rise", "masks": "20000"}
PREDICT = f"/predictions/{QUICK}"
FORM = {"Content-Type": "multipart/form-data; boundary=edge"}


@pytest.fixture(scope="module")
def at(uvicorn: Uvicorn) -> Api:
    return Api(uvicorn, QUICK)


DOORS = {
    "ping": ("GET", "/ping", False, 200),
    "docs": ("GET", "/docs", False, 200),
    "openapi": ("GET", "/openapi.json", False, 200),
    "metrics": ("GET", "/metrics", True, 200),
    "models": ("GET", "/models", True, 200),
    "model": ("GET", f"/models/{QUICK}", True, 200),
    "another model": ("GET", "/models/nothing", True, 404),
    "no such route": ("GET", "/nothing", True, 404),
    "nothing to post": ("GET", PREDICT, True, 405),
    "unload": ("DELETE", f"/models/{QUICK}", True, 405),
    "no clip": ("POST", PREDICT, True, 400),
    "no model": ("POST", "/predictions/nothing", True, 404),
    "no version": ("POST", f"{PREDICT}/9.9", True, 404),
    "no method": ("POST", f"/explanations/{QUICK}/1.0/a/b", True, 422),
    "v1": ("POST", f"/v1/models/{QUICK}:predict", True, 400),
    "v1 of no model": ("POST", "/v1/models/nothing:predict", True, 404),
    "long path": ("GET", "/" + "a" * 9000, True, 404),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())
def test_a_door_has_its_status_and_only_some_need_no_key(at: Api, door: tuple[str, ...]) -> None:
    method, path, needs_key, status = door
    without = httpx.request(method, at.server.url + path)
    assert without.status_code == (401 if needs_key else status)
    answer = httpx.request(method, at.server.url + path, headers=at.headers)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert set(answer.json()["error"]) == {"code", "message", "detail"}
    if needs_key:
        assert without.headers["www-authenticate"] == "Bearer"
        assert without.json()["error"]["code"] == "authentication_failed"


def test_the_management_key_opens_what_tells_of_the_server_alone(at: Api) -> None:
    headers = {"Authorization": f"Bearer {at.server.keys().management}"}
    assert httpx.get(f"{at.server.url}/metrics", headers=headers).status_code == 200
    assert httpx.post(at.server.url + PREDICT, headers=headers).status_code == 401


def test_several_models_are_in_one_process(at: Api) -> None:
    assert at.server.worker_pids(QUICK) == at.server.worker_pids(ANOTHER)
    other = Api(at.server, ANOTHER).predict(content=CLIP)
    assert (other.status_code, other.json()["model"]) == (200, ANOTHER)


def test_both_servers_give_the_same_scores(at: Api, torchserve: Server) -> None:
    query, fields = {"top_k": "3"}, {"X-VideoVisual-Top-K": "3"}
    other = Api(torchserve, QUICK)
    for path in ("predictions", "explanations"):
        ours = at.post(f"/{path}/{QUICK}", content=CLIP, params=query)
        theirs = other.post(f"/{path}/{QUICK}", content=CLIP, headers=fields)
        assert ours.status_code == 200
        scores = [
            {each["label"]: each["logit"] for each in response.json()["predictions"]}
            for response in (ours, theirs)
        ]
        assert scores[0] == pytest.approx(scores[1], abs=1e-4)


def test_the_document_is_valid(at: Api) -> None:
    openapi = pytest.importorskip("openapi_spec_validator")
    openapi.validate(httpx.get(f"{at.server.url}/docs").json())


def test_a_late_failure_has_its_status(at: Api) -> None:
    late = at.predict(content=CLIP, headers={"X-VideoVisual-Timeout-S": "2.5"}, params=LONG)
    assert (late.status_code, late.json()["error"]["code"]) == (504, "deadline_exceeded")


def test_options_of_the_address_yield_to_those_of_the_body(at: Api) -> None:
    answer = at.predict(content=CLIP, params={"top_k": "2"}).json()
    assert len(answer["predictions"]) == 2
    answer = at.predict(files={"video": CLIP}, data={"top_k": "3"}, params={"top_k": "2"}).json()
    assert len(answer["predictions"]) == 3
    answer = at.explain(content=CLIP, params={"target": ["1", "2"]}).json()
    assert [each["target"]["index"] for each in answer["explanations"]] == [1, 2]
    twice = at.predict(content=CLIP, params={"top_k": ["2", "3"]})
    assert (twice.status_code, twice.json()["error"]["code"]) == (422, "invalid_parameter")


def test_curls_own_content_type_may_hold_a_clip_or_a_form(at: Api) -> None:
    curl = {"Content-Type": "application/x-www-form-urlencoded"}
    assert at.predict(content=CLIP, headers=curl).status_code == 200
    assert at.predict(data={"cancel": "nobody"}).json() == {"cancelled": False}


def test_a_client_that_leaves_before_anything_was_sent_ends_its_work(at: Api) -> None:
    before = len(at.journal())
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(at.server.url + PREDICT, headers=at.headers, content=CLIP, params=LONG)
    assert eventually(lambda: len(at.journal()) > before)
    entry = at.journal()[before]
    assert (entry["status"], entry["methods"]) == (499, ["rise"])
    assert entry["steps_after_cancel"] <= 1


def test_keys_change_without_a_restart(at: Api) -> None:
    old = at.headers
    with Client(at.server.url, key_file=at.server.key_file) as client:
        assert client.classify(CLIP, model=QUICK).predictions
        keys = json.loads(at.server.key_file.read_text())
        keys["inference"]["key"] = "another-key"
        at.server.key_file.write_text(json.dumps(keys))
        assert httpx.get(f"{at.server.url}/models", headers=old).status_code == 401
        assert client.classify(CLIP, model=QUICK).predictions


def raw(at: Api, *lines: str) -> bytes:
    """What is answered to a request's head, of which no body follows."""
    key = at.headers["Authorization"]
    head = f"POST {PREDICT} HTTP/1.1\r\nHost: a\r\nAuthorization: {key}\r\n"
    place = urlsplit(at.server.url)
    with socket.create_connection((place.hostname, place.port), TIMEOUT_S) as connection:
        try:
            connection.sendall((head + "\r\n".join(lines) + "\r\n\r\n").encode())
            return connection.recv(4096)
        except ConnectionError:
            # h11 refuses headers that are too long while they are still being sent.
            return b"closed"


def test_limits_are_checked_before_anything_is_read(at: Api) -> None:
    assert raw(at, f"Content-Length: {10**9}").startswith(b"HTTP/1.1 413")
    for length in (70_000, 1_000_000):
        answer = raw(at, "Content-Length: 5", "X-Long: " + "a" * length)
        assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400", b"closed"))
    endless = (b"0" * 2**20 for _ in range(10**6))
    response = at.predict(content=endless)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")
    parts = b"".join(
        b'--edge\r\nContent-Disposition: form-data; name="x%d"\r\n\r\n1\r\n' % each
        for each in range(30_000)
    )
    response = at.predict(content=parts + b"--edge--\r\n", headers=FORM)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "too_large")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of this machine's, and its private key."""
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"]
    files = ["-out", str(paths[0]), "-keyout", str(paths[1])]
    try:
        subprocess.run(["openssl", "req", *kind, *names, *files], check=True, capture_output=True)
    except OSError:
        pytest.skip("needs openssl")
    return paths


@pytest.fixture
def safe(uvicorn: Uvicorn, certificate: tuple[Path, Path]) -> Iterator[Uvicorn]:
    """A server with TLS and a short end, which has another one's keys."""
    files = ["--ssl-certfile", str(certificate[0]), "--ssl-keyfile", str(certificate[1])]
    keys = ["--key-file", str(uvicorn.key_file), "--grace", "1"]
    with Uvicorn([QUICK], STORE, *files, *keys) as server:
        yield server


def test_a_client_is_told_that_the_server_stops(
    safe: Uvicorn, at: Api, certificate: tuple[Path, Path]
) -> None:
    trusted = ssl.create_default_context(cafile=str(certificate[0]))
    fields = LONG | {"stream": "true"}
    with (
        httpx.Client(base_url=safe.url, verify=trusted, headers=at.headers) as client,
        client.stream("POST", PREDICT, content=CLIP, params=fields, timeout=TIMEOUT_S) as response,
    ):
        lines = response.iter_lines()
        assert json.loads(next(lines))["event"] == "accepted"
        safe.process.send_signal(signal.SIGTERM)
        *_, error, done = (json.loads(line) for line in lines)
    assert error["error"]["detail"]["reason"] == "stopping"
    assert (error["status"], done["event"]) == (503, "done")
    assert safe.process.wait(TIMEOUT_S) == 0


def test_a_port_that_is_taken_while_the_models_load_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two servers that start at once, both can have bound the port: the first to listen wins."""
    with socket.socket() as rival:
        rival.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        rival.bind(("127.0.0.1", 0))
        port = rival.getsockname()[1]
        load = AsgiServer.application

        def application(server: AsgiServer, folder: Path) -> Starlette:
            rival.listen()
            return load(server, folder)

        monkeypatch.setattr(AsgiServer, "application", application)
        server = AsgiServer([ANOTHER], store=STORE, port=port, run_folder=tmp_path)
        with pytest.raises(InvalidParameter, match=f"Port {port} .* another server took it"):
            server.run(lambda: pytest.fail("it was told ready"))
