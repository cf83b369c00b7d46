"""The commands on a folder of clips: results, summaries, and runs that continue."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.unit.client.conftest import Run
from tests.unit.client.fake_server import (
    FakeServer,
    Received,
    Reply,
    all_classes,
    asks_for_classes,
    explain_or_classify,
)

DEADLINE_S = 60


def computed(fake: FakeServer) -> list[Received]:
    """The requests, but for the one that asks for the model's classes."""
    return [request for request in fake.received if not asks_for_classes(request)]


def test_a_folder_of_clips_has_a_summary(fake: FakeServer, run: Run, clips: Path) -> None:
    fake.handler = explain_or_classify
    done = run("classify", clips, "--model", "m", "-o", "out")
    assert done.exit_code == 0, done.output
    summary = json.loads(Path("out/classification/m/summary.json").read_text())
    assert (summary["clips"], summary["failed"], summary["labelled"]) == (4, 0, 4)
    assert summary["accuracy"] == 0.5
    assert "accuracy 50.0%" in done.stdout
    table = Path("out/classification/m/summary.csv").read_text().splitlines()
    assert table[0].startswith("clip,label,predicted,probability,correct")
    assert [line.split(",")[0] for line in table[1:]] == [
        *("Ironing-v_1", "abseiling-v_3", "ironing-v_0", "juggling balls-v_2")
    ]


def test_a_stopped_run_continues(fake: FakeServer, run: Run, clips: Path) -> None:
    def breaks_at_the_third(request: Received) -> Reply:
        late = len(computed(fake)) > 2
        return Reply(b"", 502) if late else explain_or_classify(request)

    fake.handler = breaks_at_the_third
    arguments = ["explain", clips, "--model", "m", "--method", "rise", "--concurrency", "1"]
    assert run(*arguments).exit_code == 3
    folder = Path("results/rise/m")
    finished = {path.name: path.stat().st_mtime_ns for path in folder.glob("*-v_*")}
    assert len(finished) == 4
    assert json.loads((folder / "summary.json").read_text())["clips"] == 2

    fake.received.clear()
    fake.handler = explain_or_classify
    done = run(*arguments)
    assert done.exit_code == 0
    assert len(computed(fake)) == 2
    assert {name: (folder / name).stat().st_mtime_ns for name in finished} == finished
    with np.load(folder / "ironing-v_0.npz") as arrays:
        assert arrays["map"].shape == (2, 2, 2)

    fake.received.clear()
    assert run(*arguments).exit_code == 0
    assert computed(fake) == []
    (folder / "ironing-v_0.npz").unlink()
    run(*arguments)
    assert len(computed(fake)) == 1
    run(*arguments, "-p", "masks=5")
    assert len(computed(fake)) == 5
    run(*arguments, "-p", "masks=5", "--fresh")
    assert len(computed(fake)) == 9


def await_files(folder: Path, pattern: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not list(folder.glob(pattern)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_ctrl_c_cancels_running_jobs_and_keeps_results(
    fake: FakeServer, clips: Path, tmp_path: Path
) -> None:
    begun, cancelled = threading.Event(), threading.Event()

    def hangs_at_the_second(request: Received) -> Reply:
        if "json" in request.headers["Content-Type"]:
            cancelled.set()
            return Reply({"cancelled": True})
        if asks_for_classes(request):
            return all_classes()
        return explain_or_classify(request) if len(computed(fake)) < 2 else Reply(lines=hanging())

    def hanging() -> Iterator[Any]:
        yield {"event": "accepted", "job": "slow", "queue": 0}
        begun.set()
        cancelled.wait(DEADLINE_S)
        yield {"event": "error", "status": 499, "error": {"code": "cancelled", "message": "Yes."}}

    fake.handler = hangs_at_the_second
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "videovisual_client", "explain", str(clips)),
            *("--model", "m", "--concurrency", "1", "--url", fake.url, "--token", ""),
        ],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        # A shell has what it runs in the background ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        assert begun.wait(DEADLINE_S)
        # The second clip is sent while the first is being written down.
        await_files(tmp_path / "results/gradient/m", "*.json")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 130
    finally:
        process.kill()
        _, stderr = process.communicate()
    assert cancelled.is_set()
    assert b"Traceback" not in stderr
    summary = json.loads((tmp_path / "results/gradient/m/summary.json").read_text())
    assert (summary["clips"], summary["failed"]) == (1, 0)


def test_a_bad_clip_fails_alone_and_is_tried_again(fake: FakeServer, run: Run, clips: Path) -> None:
    broken = {"error": {"code": "malformed_clip", "message": "Broken [/] frame."}}

    def refuses_one(request: Received) -> Reply:
        is_second = len(computed(fake)) == 2
        return Reply(broken, 400) if is_second else explain_or_classify(request)

    fake.handler = refuses_one
    done = run("classify", clips, "--model", "m", "--concurrency", "1")
    assert done.exit_code == 4
    assert "malformed_clip: Broken [/] frame." in done.stdout
    summary = json.loads(Path("results/classification/m/summary.json").read_text())
    assert (summary["clips"], summary["failed"]) == (4, 1)
    fake.received.clear()
    fake.handler = explain_or_classify
    assert run("classify", clips, "--model", "m").exit_code == 0
    assert len(computed(fake)) == 1


def test_each_method_gets_its_own_parameters(fake: FakeServer, run: Run, clips: Path) -> None:
    fake.handler = explain_or_classify
    methods = ["--method", "grad_cam", "--method", "ig"]
    assert run("explain", clips, "--model", "m", *methods, "--steps", "3").exit_code == 0
    steps = {request.field("method"): request.field("steps") for request in computed(fake)}
    assert steps == {"grad_cam": None, "integrated_gradients": "3"}
    assert Path("results/grad_cam/m/summary.csv").is_file()
    assert Path("results/integrated_gradients/m/summary.csv").is_file()
    fake.received.clear()
    done = run("explain", clips, "--model", "m", *methods, "-p", "masks=3")
    assert done.exit_code == 1
    assert "'masks'" in done.stderr
    assert computed(fake) == []
