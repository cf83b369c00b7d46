"""Runs in which a process, a node or the whole run is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.bulk import material
from benchmarks.bulk.cluster import cluster, kill_worker
from benchmarks.bulk.results import check
from benchmarks.row import Row
from videovisual_client.bulk.listing import list_clips
from videovisual_client.bulk.run import Totals, run

NODES = 3
DEADLINE_S = 600.0


def killed(clips: Path, expected: Path, out: Path, count: int) -> Row:
    """A worker is killed after a third of the clips, and a node after two thirds."""
    listing = list_clips(str(clips))
    with cluster(NODES) as made:
        doomed = max(made.worker_nodes, key=lambda node: str(node.unique_id))
        due: list[tuple[int, Callable[[], None]]] = [
            (count // 3, kill_worker),
            (2 * count // 3, lambda: made.remove_node(doomed, allow_graceful=False)),
        ]

        def kill(totals: Totals) -> None:
            while due and totals.done >= due[0][0]:
                due.pop(0)[1]()

        totals = run(material.request(out), listing.clips, address=made.address, on_progress=kill)
    assert not due, "nothing was killed"
    found = check(out, expected, listing.clips.column("clip").to_pylist())
    return Row(
        f"a worker, then a node killed in the middle, {NODES} nodes",
        f"{count} of {count} right, no duplicate, no half-written file",
        f"{found.clips - found.other} of {count} right, {found.repeated} duplicates, "
        f"{found.broken} broken files, {totals.failed} failed",
        found.right and found.clips == count,
        {**found.to_json(), "computed": totals.computed, "restored": totals.restored},
    )


def resumed(clips: Path, expected: Path, out: Path, count: int) -> Row:
    """The whole run is killed after half of the clips, and started again."""
    command = [sys.executable, "-m", "videovisual_client", "bulk", str(clips)]
    options = ["--model", material.MODEL, "--method", material.METHOD, "--out", str(out), "--json"]
    process = subprocess.Popen(
        [*command, *options], start_new_session=True, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + DEADLINE_S
    try:
        while finished(out) < count // 2:
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    # Ray's processes end when they miss the one that started them.
    before = settled(out)
    listing = list_clips(str(clips))
    totals = run(material.request(out), listing.clips)
    found = check(out, expected, listing.clips.column("clip").to_pylist())
    return Row(
        "the run killed in the middle and started again",
        "computes only what is missing",
        f"{before} of {count} were finished, {totals.computed} computed; "
        f"{found.clips - found.other} of {count} right",
        found.right and found.clips == count and totals.computed == count - before,
        {**found.to_json(), "finished": before, "computed": totals.computed},
    )


def finished(out: Path) -> int:
    """How many records there are."""
    return len(list((out / "clips").glob("*.json")))


def settled(out: Path) -> int:
    """How many records there are, once there is no new one for two seconds."""
    known, since = finished(out), time.monotonic()
    while time.monotonic() - since < 2:
        time.sleep(0.1)
        if (now := finished(out)) != known:
            known, since = now, time.monotonic()
    return known
