"""What a command prints where there is no terminal, and in a narrow one."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tests.unit.client.conftest import Run
from tests.unit.client.fake_server import FakeServer, Reply, answer

from videovisual_client import terminal


def test_lines_are_as_long_as_they_are_in_a_pipe() -> None:
    code = (
        "from videovisual_client.terminal import log, out, table\n"
        "rows = table('method', 'x' * 90); rows.add_row('integrated_gradients', 'y' * 90)\n"
        "out.print(rows); out.print('word ' * 100); log.print('word ' * 100)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert [len(done.stdout.splitlines()), len(done.stderr.splitlines())] == [3, 1]
    assert "integrated_gradients" in done.stdout


def test_a_narrow_table_is_not_cut() -> None:
    shown = io.StringIO()
    rows = terminal.table("method", "target")
    rows.add_row("integrated_gradients", "spins")
    Console(file=shown, width=16).print(rows)
    assert "…" not in shown.getvalue()
    assert set("integrated_gradients") <= set(shown.getvalue())


@pytest.mark.parametrize(("every_s", "lines"), [(0.0, 3), (1e9, 0)])
def test_progress_without_a_terminal_is_lines(
    fake: FakeServer,
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    every_s: float,
    lines: int,
) -> None:
    monkeypatch.setattr(terminal, "EVERY_S", every_s)
    np.savez(tmp_path / "clip.npz", frames=np.zeros((2, 8, 8, 3), np.uint8))
    steps = [
        {"event": "progress", "step": step, "of": 9, "eta_s": 65, "method": "step"}
        for step in range(3)
    ]
    end = {"event": "result", "answer": answer().model_dump(mode="json")}
    fake.handler = lambda _: Reply(lines=iter([{"event": "accepted"}, *steps, end]))
    done = run("explain", tmp_path / "clip.npz", "--model", "m", "--json")
    assert done.exit_code == 0, done.output
    assert done.stderr.splitlines() == [
        f"explaining step {step}/9 1:05 left" for step in range(lines)
    ]
