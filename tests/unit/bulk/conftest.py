from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from benchmarks.load.material import motion_clip

MODEL = "tsm-motion"


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """fsspec's file system in this process, with three clips of Motion and a file that is none."""
    system = fsspec.filesystem("memory")
    for index, name in enumerate(("moves_up/a.npz", "moves_up/b.npz", "moves_left/c.npz")):
        system.pipe_file(f"/clips/{name}", motion_clip(index))
    system.pipe_file("/clips/moves_left/broken.mp4", b"no video")
    yield system
    system.rm("/", recursive=True)


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Two clips of Motion on disk."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for index in range(2):
        (folder / f"moves up-{index}.npz").write_bytes(motion_clip(index))
    return folder


@pytest.fixture
def request_to(tmp_path: Path) -> Callable[..., Any]:
    """Makes a request, whose run is noted in the output."""
    from videovisual_client.bulk.address import Output
    from videovisual_client.bulk.worker import RUN, BulkRequest

    def made(out: str, *methods: str, model: str = MODEL, **fields: Any) -> BulkRequest:
        run = secrets.token_hex(4)
        options = {"target": ["top1"], **fields.pop("options", {})}
        Output(out).write(RUN, b'{"run": "%s"}' % run.encode())
        return BulkRequest(model, methods, options, (), out, run, tmp_path, **fields)

    return made
