"""A server answers as TorchServe does of a model that it does not serve."""

import http.server
import json
import threading

import numpy as np
import pytest
from click.testing import CliRunner

from videovisual.errors import UnknownModel
from videovisual_client import Client
from videovisual_client.cli import main


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.rpartition("/")[2]
        told = {
            "code": 404,
            "type": "ModelNotFoundException",
            "message": f"Model not found: {name}",
        }
        body = json.dumps(told).encode()
        self.send_response(404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def url():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_client_lists_the_near_names(url):
    frames = np.zeros((8, 16, 16, 3), np.uint8)
    with Client(url) as client, pytest.raises(UnknownModel) as refused:
        client.classify(frames, model="tsm-epic55-verbs")
    assert "serves no model 'tsm-epic55-verbs'. Nearest known: tsm-epic55-verb" in str(
        refused.value
    )
    assert refused.value.detail["nearest"][0] == "tsm-epic55-verb"


def test_the_command_lists_the_near_names(url, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "500")
    np.savez(tmp_path / "clip.npz", frames=np.zeros((8, 16, 16, 3), np.uint8))
    arguments = ["classify", str(tmp_path / "clip.npz"), "--model", "i3d-kinetic", "--url", url]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 1
    assert "Nearest known: i3d-kinetics400" in done.stderr
