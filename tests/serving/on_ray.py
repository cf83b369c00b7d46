"""Serves by `deploy/ray/config.yaml` with two replicas, and asks them: run by `test_ray_serve.py`.

It runs in a network namespace of its own, so nothing outside of it can ask.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import yaml
from tests.serving import clips

from videovisual.server.asgi.keys import write_keys
from videovisual_client import Client, Job

ROOT = Path(__file__).parents[2]
MODEL = "tsm-motion"
PORT = 18765
URL = f"http://127.0.0.1:{PORT}"
DEADLINE_S = 300
MAX_JOBS = 4
IDLE_S = 30
"""Much less than what the work of the client that leaves would take."""
CLIP = clips.npz(clips.frames(16))


def configure(folder: Path, keys: Path) -> Path:
    """The deployed configuration with a small model, two replicas and a port of its own."""
    config: Any = yaml.safe_load((ROOT / "deploy/ray/config.yaml").read_text("utf-8"))
    config["http_options"] |= {"host": "127.0.0.1", "port": PORT}
    (application,) = config["applications"]
    application["runtime_env"]["env_vars"] |= {
        "VIDEOVISUAL_MODELS": MODEL,
        "VIDEOVISUAL_KEY_FILE": str(keys),
    }
    (deployment,) = application["deployments"]
    deployment["autoscaling_config"] |= {"min_replicas": 2, "max_replicas": 2}
    deployment["ray_actor_options"] = {"num_cpus": 0.5}
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def await_ready(process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while True:
        assert process.poll() is None, "Ray Serve ended"
        assert time.monotonic() < deadline
        try:
            if httpx.get(f"{URL}/ping").status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)


def replicas(headers: dict[str, str]) -> set[int]:
    """The processes that answer."""
    found: set[int] = set()
    deadline = time.monotonic() + DEADLINE_S
    while len(found) < 2:
        assert time.monotonic() < deadline
        (about,) = httpx.get(f"{URL}/models/{MODEL}", headers=headers).json()
        found.add(about["workers"][0]["pid"])
    return found


def running(headers: dict[str, str]) -> list[float]:
    """How many explanations are at work, told by either replica several times."""
    lines = [
        line
        for _ in range(12)
        for line in httpx.get(f"{URL}/metrics", headers=headers).text.splitlines()
    ]
    return [float(line.split()[-1]) for line in lines if line.startswith("videovisual_running{")]


def occupied(client: Client, headers: dict[str, str]) -> list[Job]:
    """Long jobs, as many as it takes until one is seen at work.

    Ray sends a request to the replica with fewer of them, so a single job hides from who asks.
    """
    jobs: list[Job] = []
    deadline = time.monotonic() + DEADLINE_S
    while not any(running(headers)):
        assert time.monotonic() < deadline, "no work is seen"
        if len(jobs) < MAX_JOBS:
            jobs.append(client.submit(CLIP, model=MODEL, method="rise", masks=20_000))
            next(jobs[-1])
    return jobs


def await_idle(headers: dict[str, str]) -> None:
    deadline = time.monotonic() + IDLE_S
    while any(running(headers)):
        assert time.monotonic() < deadline, "the work of a client that left goes on"
        time.sleep(0.2)


def ask(keys: Path) -> dict[str, Any]:
    """What the replicas answer."""
    key = json.loads(keys.read_text())["inference"]["key"]
    headers = {"Authorization": f"Bearer {key}"}
    pids = replicas(headers)
    statuses = [
        httpx.post(f"{URL}/predictions/{MODEL}", content=CLIP, headers=headers).status_code
        for _ in range(8)
    ]
    refused = httpx.post(f"{URL}/predictions/{MODEL}", content=CLIP)
    kept = httpx.post(f"{URL}/predictions/{MODEL}?job=true", content=CLIP, headers=headers)
    with Client(URL, key_file=keys) as client:
        events = list(client.submit(CLIP, model=MODEL, method="rise", masks=8))
        maps = {
            result.explanations[0].map.base64
            for result in client.explain_many([CLIP] * 6, model=MODEL, method="gradient")
        }
        for job in occupied(client, headers):
            job.close()
        await_idle(headers)
    return {
        "pids": sorted(pids),
        "statuses": statuses,
        "refused": [refused.status_code, refused.json()["error"]["code"]],
        "job": kept.status_code,
        "events": len(events),
        "maps": len(maps),
    }


def main() -> None:
    folder = Path(sys.argv[1])
    keys = folder / "key_file.json"
    write_keys(keys)
    command = [sys.executable, "-m", "ray.serve.scripts", "run", str(configure(folder, keys))]
    process = subprocess.Popen(
        command,
        env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0"},
        stdout=sys.stderr,
        # Shells start background jobs with SIGINT ignored, and the tests with them.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        await_ready(process)
        print(json.dumps(ask(keys)))
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        finally:
            process.kill()


if __name__ == "__main__":
    main()
