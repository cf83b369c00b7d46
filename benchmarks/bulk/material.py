"""Clips to answer, requests, and a worker that only sleeps."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from videovisual.names import default_store
from videovisual_client.bulk.table import ROWS
from videovisual_client.bulk.worker import BulkRequest

MODEL = "tsm-motion"
METHOD = "integrated_gradients"


def motion_clips(folder: Path, count: int) -> Path:
    """Clips of Motion as npz, `0000.npz`, …"""
    # Loads torch, which the command itself doesn't.
    from benchmarks.load.material import motion_clip  # noqa: PLC0415

    folder.mkdir(parents=True)
    for index in range(count):
        (folder / f"{index:04d}.npz").write_bytes(motion_clip(index))
    return folder


def request(out: Path, **options: Any) -> BulkRequest:
    """An explanation of each clip."""
    fields = {"target": ["top1"], "top_k": 5, **options}
    run = secrets.token_hex(8)
    return BulkRequest(MODEL, (METHOD,), fields, (), str(out), run, default_store().absolute())


def paths(count: int) -> pa.Table:
    """Addresses of clips that there aren't."""
    clips = pa.array(
        f"/data/videos/class_{each % 400:03d}/{each:012d}.mp4" for each in range(count)
    )
    return pa.table({"clip": clips, "label": pa.nulls(count, pa.string())})


class Sleeper:
    """Takes `seconds` of the request's options for each clip, and answers nothing."""

    def __init__(self, request: BulkRequest) -> None:
        self._seconds = float(request.options["seconds"])

    def __call__(self, clips: pa.Table) -> Iterator[pa.Table]:
        for row in clips.to_pylist():
            time.sleep(self._seconds)
            made = {**row, "key": row["clip"], "computed": True}
            yield pa.Table.from_pylist([made], schema=ROWS)
