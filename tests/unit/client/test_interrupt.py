"""Ctrl-C during an explanation: the best map so far at first, and then the end."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.client.conftest import Run
from tests.unit.client.fake_server import FakeServer, Received, Reply, answer

WAIT_S = 20
CANCELLED = {"event": "error", "status": 499, "error": {"code": "cancelled", "message": "No."}}


class Search:
    """A handler of a job that is interrupted once it runs, and cancelled after that.

    Args:
        end: what it then ends with; None goes on, until a second interrupt ends the command.
    """

    def __init__(self, end: Any) -> None:
        self.end = end
        self.cancelled = threading.Event()
        self.left = threading.Event()

    def __call__(self, request: Received) -> Reply:
        if request.headers.get("Content-Type") == "application/json":
            self.cancelled.set()
            return Reply({"cancelled": True})
        return Reply(lines=self.lines())

    def lines(self) -> Iterator[Any]:
        yield {"event": "accepted", "job": "j", "queue": 0}
        yield {"event": "progress", "step": 1, "of": 9}
        # The command has to have read that it was accepted.
        while signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            assert not self.left.wait(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        assert self.cancelled.wait(WAIT_S)
        if self.end is None:
            os.kill(os.getpid(), signal.SIGINT)
            while not self.left.wait(0.01):
                yield {"event": "progress", "step": 2, "of": 9}
        yield self.end


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    # Shells start background jobs with SIGINT ignored, and the tests with them.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    np.savez(tmp_path / "clip.npz", frames=np.zeros((2, 8, 8, 3), np.uint8))
    return tmp_path / "clip.npz"


def test_the_first_keeps_the_best_map(fake: FakeServer, run: Run, clip: Path) -> None:
    found = answer().model_dump(mode="json")
    found["explanations"][0]["diagnostics"]["partial"] = True
    fake.handler = Search({"event": "result", "answer": found})
    done = run("explain", clip, "--model", "m", "--method", "step", "-o", "map.json")
    assert done.exit_code == 0, done.output
    assert fake.received[0].field("partial") == "true"
    assert "caution! Partial" in done.stdout
    saved = json.loads(Path("map.json").read_text())
    assert saved["explanations"][0]["diagnostics"]["partial"]


def test_without_a_map_it_is_an_interrupt(fake: FakeServer, run: Run, clip: Path) -> None:
    fake.handler = Search(CANCELLED)
    done = run("explain", clip, "--model", "m", "-o", "map.json")
    assert done.exit_code == 130
    assert "interrupted" in done.stderr
    assert not Path("map.json").exists()


def test_the_second_ends_the_command(fake: FakeServer, run: Run, clip: Path) -> None:
    fake.handler = search = Search(None)
    try:
        done = run("explain", clip, "--model", "m", "-o", "map.json")
    finally:
        search.left.set()
    assert done.exit_code == 130
    assert not Path("map.json").exists()


def test_a_deadline_stays_an_error(fake: FakeServer, run: Run, clip: Path) -> None:
    end = {"event": "result", "answer": answer().model_dump(mode="json")}
    fake.handler = lambda _: Reply(lines=iter([{"event": "accepted"}, end]))
    run("explain", clip, "--model", "m", "--timeout", "5")
    assert fake.received[0].field("partial") is None
