"""The command `videovisual`, run as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.serving.conftest import MODEL, QUICK, STORE

from videovisual_client.torchserve import Server

DEADLINE_S = 120


def run(*arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "videovisual_client", *arguments]
    for name, value in options.items():
        command += [f"--{name.replace('_', '-')}", value]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_S)


@pytest.fixture
def where(server: Server) -> dict[str, str]:
    return {"url": server.url, "key_file": str(server.key_file), "model": QUICK}


def test_models_lists_what_there_is() -> None:
    done = run("models", "--json", store=str(STORE))
    listed = {card["name"]: card for card in json.loads(done.stdout)}
    assert listed[MODEL]["archived"]
    assert len(listed[MODEL]["labels"]) == 400


def test_classify(where: dict[str, str], video: Path) -> None:
    done = run("classify", str(video), **where)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d+\.\d%", done.stdout)
    as_json = run("classify", str(video), "--json", **where)
    assert json.loads(as_json.stdout)["model"] == QUICK


def test_explain_writes_its_outputs(where: dict[str, str], video: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "overlay.mp4", tmp_path / "map.npz"]
    done = run(
        *("explain", str(video), "--method", "integrated_gradients", "--steps", "2"),
        *("-o", str(outputs[0]), "-o", str(outputs[1])),
        **where,
    )
    assert done.returncode == 0, done.stderr
    assert "relative_delta" in done.stdout
    assert all(path.stat().st_size > 1000 for path in outputs)


def test_an_error_is_one_line_and_exit_status_1(where: dict[str, str], video: Path) -> None:
    done = run("explain", str(video), "--target", "nonsense", **where)
    assert done.returncode == 1
    assert "invalid_target" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_server_is_exit_status_3(video: Path) -> None:
    done = run("classify", str(video), "--json", url="http://127.0.0.1:9", model=QUICK)
    assert done.returncode == 3
    assert json.loads(done.stdout)["error"]["code"] == "connection_failed"


def test_a_folder_of_clips(where: dict[str, str], video: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "riding a bike-1.mp4").write_bytes(video.read_bytes())
    (folder / "nothing-2.mp4").write_bytes(b"no video " * 100)
    output = str(tmp_path / "out")
    arguments = ("explain", str(folder), "--method", "gradient", "--json")
    done = run(*arguments, **where, output=output)
    assert done.returncode == 4, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["clips"], summary["failed"], summary["labelled"]) == (2, 1, 0)
    assert summary["unknown_labels"] == {"riding a bike": 1}
    results = tmp_path / "out" / "gradient" / QUICK
    names = {path.name for path in results.iterdir()}
    assert names == {
        *("riding a bike-1.json", "riding a bike-1.npz", "index.html"),
        *("summary.csv", "summary.json"),
    }


def test_doctor_finds_the_server_healthy(where: dict[str, str]) -> None:
    done = run("doctor", "--json", url=where["url"], key_file=where["key_file"], store=str(STORE))
    found = {finding["name"]: finding for finding in json.loads(done.stdout)}
    assert found["server"]["level"] == "ok", found
    assert found["java"]["level"] == "ok"


def test_serve_until_ctrl_c_leaves_no_process(tmp_path: Path, server: Server) -> None:
    # The ports of the config are taken by the other server, so free ones must be found. The run
    # folder is too long for a socket, and the environment is not meant for TorchServe.
    run_folder = tmp_path / ("x" * 100)
    others = {"HTTP_PROXY": "http://127.0.0.1:9", "LOG_LOCATION": "/nowhere"}
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "videovisual_client", "serve", QUICK),
            *("--store", str(STORE), "--run-folder", str(run_folder)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | others,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert f"Serving {QUICK} at http://127.0.0.1:" in line
        assert server.url not in line
        family = psutil.Process(process.pid).children(recursive=True)
        for java in psutil.process_iter(["cmdline"]):
            if str(run_folder) in " ".join(java.info["cmdline"] or ()) and java.pid != process.pid:
                family += [java, *java.children(recursive=True)]
        assert len(family) > 1
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
        assert process.stderr is not None
        assert "is in use" in process.stderr.read()
    finally:
        process.kill()
    deadline = time.monotonic() + 10
    while any(child.is_running() for child in family) and time.monotonic() < deadline:
        psutil.wait_procs(family, timeout=0.1)
    assert not any(child.is_running() for child in family)


def test_serve_without_an_archive_says_how_to_build_it(tmp_path: Path) -> None:
    from videovisual_client.torchserve import ServerError

    with pytest.raises(ServerError, match=r"no archive r3d\.mar.*videovisual archive r3d"):
        Server(["r3d"], store=tmp_path).start()
