"""How a run grows with its processes, its nodes and its clips."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from pyarrow import csv

from benchmarks.bulk import material
from benchmarks.bulk.cluster import cluster
from benchmarks.bulk.results import check
from benchmarks.row import Row
from videovisual_client.bulk.listing import list_clips
from videovisual_client.bulk.run import Totals, run

NODES = (1, 2, 4)
SLEEP_S = 0.25
MOST_SHARE = 0.9
"""Of linear growth over cores or nodes."""

PEAK = """
import sys
from pathlib import Path
from benchmarks.bulk import material
from videovisual_client.bulk.listing import list_clips
from videovisual_client.bulk.run import run

peak = 0

def sample(_):
    global peak
    status = Path("/proc/self/status").read_text()
    peak = max(peak, int(status.partition("RssAnon:")[2].split()[0]))

clips = list_clips(sys.argv[1]).clips
request = material.request(Path(sys.argv[2]), seconds=0)
totals = run(request, clips, worker=material.Sleeper, on_progress=sample)
assert totals.computed == clips.num_rows
print(peak)
"""
"""Prints the most private memory: beside it there are Ray's shared objects, which have a bound."""


def folder_command(clips: Path, results: Path, concurrency: int = 2) -> float:
    """Explain the clips by the folder command in one process; seconds."""
    options = ["--model", material.MODEL, "--method", material.METHOD, "-o", str(results)]
    here = ["--local", "--concurrency", str(concurrency), "--json"]
    return _timed("explain", str(clips), *options, *here)


def throughput(clips: Path, results: Path, out: Path, count: int) -> Row:
    """The folder command against Ray's processes, each started anew."""
    cores = len(os.sched_getaffinity(0))
    one = folder_command(clips, results / "one", concurrency=1)
    two = folder_command(clips, results / "two")
    options = ["--model", material.MODEL, "--method", material.METHOD, "--out", str(out)]
    ray = _timed("bulk", str(clips), *options, "--json")
    expected = results / "one" / material.METHOD / material.MODEL
    listing = list_clips(str(clips))
    found = check(out, expected, listing.clips.column("clip").to_pylist())
    running = answering(expected) / answering(out / "clips")
    return Row(
        f"{count} clips: one process of the folder command, a clip at a time, over Ray on {cores} "
        "cores",
        f"≥ 1.5, or {MOST_SHARE} of the cores from the first answer on; nothing lost, results "
        "bit-equal",
        f"{one / ray:.2f} ({one:.1f} over {ray:.1f} s, starting included), {running:.2f} from the "
        f"first answer to the last; two clips at a time in one process: {two / ray:.2f}; "
        f"{found.clips - found.other} of {count} equal",
        (one / ray >= 1.5 or running >= MOST_SHARE * cores)
        and found.right
        and found.clips == count,
        {
            **found.to_json(),
            **{"one_s": round(one, 2), "two_s": round(two, 2), "ray_s": round(ray, 2)},
            "running": round(running, 3),
        },
    )


def answering(results: Path) -> float:
    """Seconds from the first record of a folder to the last."""
    written = [path.stat().st_mtime for path in results.glob("*.json")]
    return max(written) - min(written)


def growth(out: Path, clips_each: int) -> Row:
    """Nodes of one core with a model that sleeps, each with the same number of clips."""
    speeds = {}
    for nodes in NODES:
        with cluster(nodes) as made:
            request = material.request(out / str(nodes), seconds=SLEEP_S)
            clips = material.paths(nodes * clips_each)
            seen: list[Totals] = []

            def see(totals: Totals, seen: list[Totals] = seen) -> None:
                seen.append(replace(totals))

            run(request, clips, address=made.address, worker=material.Sleeper, on_progress=see)
        # From the first answers on: processes start one after the other on this machine's cores.
        first, last = seen[0], seen[-1]
        speeds[nodes] = (last.done - first.done) / (last.seconds - first.seconds)
    linear = {nodes: speed / (nodes * speeds[1]) for nodes, speed in speeds.items()}
    shown = ", ".join(f"{nodes}: {share:.2f}" for nodes, share in linear.items())
    return Row(
        f"growth over {', '.join(map(str, NODES))} nodes of a model that sleeps {SLEEP_S} s",
        f"≥ {MOST_SHARE} of linear",
        shown,
        min(linear.values()) >= MOST_SHARE,
        {"clips_per_s": {str(nodes): round(speed, 3) for nodes, speed in speeds.items()}},
    )


def memory(out: Path, counts: tuple[int, ...]) -> Row:
    """The driver's peak of private memory, with the paths of a manifest."""
    peaks = {}
    out.mkdir()
    for count in counts:
        manifest = out / f"{count}.csv"
        csv.write_csv(material.paths(count), manifest)
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(manifest), str(out / str(count))],
            check=True,
            capture_output=True,
            text=True,
        )
        peaks[count] = int(done.stdout.split()[-1]) / 1024
    first, last = peaks[counts[0]], peaks[counts[-1]]
    shown = ", ".join(f"{count:,} paths: {peak:.0f} MiB" for count, peak in peaks.items())
    return Row(
        f"the driver's private memory from {counts[0]:,} to {counts[-1]:,} paths",
        "flat: at most a tenth more",
        shown,
        last <= 1.1 * first,
        {"peak_mib": {str(count): round(peak, 1) for count, peak in peaks.items()}},
    )


def _timed(command: str, *arguments: str) -> float:
    """Run a command whose processes have one of torch's threads, as Ray gives them; seconds."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "videovisual_client", command, *arguments],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if done.returncode:
        raise RuntimeError(f"{command} failed: {done.stderr[-2000:]}")
    json.loads(done.stdout)
    return seconds
