"""A real viewer, and what its tests do with its page."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from videovisual import motion
from videovisual.render.thumbnail import thumbnail
from videovisual_client.viewer.history import History

Open = Callable[..., Any]
MODEL, OTHER = "tsm-motion", "r3d-motion"


@contextmanager
def viewer(folder: Path, *words: str) -> Iterator[str]:
    """The address of a viewer that keeps its results in a folder."""
    command = [sys.executable, "-m", "videovisual_client", "ui", "--port", "0", *words]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"VIDEOVISUAL_CACHE": str(folder)},
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    yield line.partition(" at ")[2].split()[0]
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0


def written(path: Path, number: int) -> Path:
    np.savez_compressed(path, frames=motion.sample(number).frames, fps=8.0)
    return path


def kept(cache: Path, count: int) -> None:
    """A viewer's folder with results of so many clips, without their maps."""
    history = History(cache / "viewer", 2**30)
    frames = motion.sample(3).frames
    picture = thumbnail(frames, None)
    for number in range(count):
        clip = history.new()
        history.content(clip).write_bytes(b"x")
        history.add(clip, "clip", f"clip{number}.mp4")
        best = {"index": 0, "label": f"class {number % 7}", "probability": 0.9, "logit": 3.0}
        facts = {"name": f"clip{number}.mp4", "model": MODEL, "method": "gradient"}
        doubts = ["Unlikely: yes."] if number % 2 else []
        more = {"target": best, "best": best, "doubts": doubts, "options": {}, "agreement": {}}
        history.add_result(clip, f"{number:016x}", {"jpg": picture}, {**facts, **more})


def opened(open_page: Open, address: str, clip: Path, **how: Any) -> Any:
    watched = open_page(address, **how)
    watched.page.locator("#file").set_input_files(clip)
    watched.page.get_by_text("Drop another to change it").wait_for()
    return watched


def explain(watched: Any, method: str, results: int) -> None:
    page = watched.page
    page.locator("#method").select_option(method)
    page.get_by_role("button", name="Explain").click()
    page.locator("#list li").nth(results - 1).wait_for()


def shown(page: Any) -> str:
    text: str = page.locator("#toolbar p").inner_text()
    return text
