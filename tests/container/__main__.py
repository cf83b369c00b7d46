"""The container, for real: built, run as strictly as it may be, asked from outside, stopped.

Run by `make container-test`, with the Docker engine that runs here or, as root on a Debian, with
one of its own (`engine.py`). It leaves nothing behind but Debian's packages.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tests.container.engine import Engine, NoEngine, engine

from videovisual import motion
from videovisual_client import AuthenticationFailed, Client

ROOT = Path(__file__).parents[2]
IMAGE = "videovisual-container-test"
NAME = f"{IMAGE}-{os.getpid()}"
RUN_FOLDER = "/tmp/videovisual"
LARGE, SMALL = "i3d-kinetics400", "r3d-motion"
SAMPLE = 4
MOST_BYTES = 2 * 10**9
HEALTHY_S = 300
STOP_S = 10
BUILD_TOOLS = ("gcc", "cc", "c++", "make", "ld")
STRICT = (
    *("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--memory", "4g"),
)

began = time.monotonic()


def say(text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)


class Failed(Exception):
    """The container doesn't do what it should."""


def expect(condition: bool, text: str) -> None:
    """Say that `text` holds, or fail with it."""
    if not condition:
        raise Failed(f"NOT SO: {text}")
    say(text)


def build(docker: Engine, options: list[str]) -> float:
    """Build the image; the seconds that it took."""
    start = time.monotonic()
    base = ["--build-arg", f"BASE_IMAGE={docker.base_image}"] if docker.base_image else []
    network = ["--network", "host"] if docker.own else []
    docker.run("build", *network, *base, *options, "--tag", IMAGE, str(ROOT))
    return time.monotonic() - start


def free_port() -> int:
    """A port of which the two after it are free too."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port < 65000 and all(_is_free(port + step) for step in (1, 2)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Container:
    """One container of the image, and what is asked of it from outside."""

    def __init__(self, docker: Engine, models: list[str]) -> None:
        self.docker = docker
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        if docker.own:
            network, inside = ["--network", "host"], ["--port", str(port)]
        else:
            network, inside = ["--publish", f"127.0.0.1:{port}:8080"], []
        docker.run("run", "--detach", "--name", NAME, *network, *STRICT, IMAGE, *inside, *models)

    def state(self) -> dict[str, Any]:
        """What the engine says of it."""
        told: dict[str, Any] = json.loads(self.docker.run("inspect", NAME))[0]["State"]
        return told

    def wait_healthy(self) -> float:
        """Wait until the engine finds it healthy; the seconds since it was started."""
        start = time.monotonic()
        while (state := self.state())["Health"]["Status"] != "healthy":
            dead = not state["Running"] or state["Health"]["Status"] == "unhealthy"
            if dead or time.monotonic() - start > HEALTHY_S:
                raise Failed(f"It does not become healthy: {state}")
            time.sleep(0.2)
        return time.monotonic() - start

    def token(self) -> str:
        """The inference key, fetched as docs/operating.md says."""
        keys = self.docker.run("exec", NAME, "cat", f"{RUN_FOLDER}/key_file.json")
        return str(json.loads(keys)["inference"]["key"])

    def send(self, number: signal.Signals) -> float:
        """Send it a signal; the seconds until it has ended."""
        start = time.monotonic()
        self.docker.run("kill", "--signal", number.name, NAME)
        while self.state()["Running"]:
            if time.monotonic() - start > HEALTHY_S:
                raise Failed(f"It runs on after {number.name}.")
            time.sleep(0.05)
        return time.monotonic() - start

    def start(self) -> float:
        """Start it again; the seconds until it is healthy."""
        self.docker.run("start", NAME)
        return self.wait_healthy()


@contextmanager
def running(docker: Engine, *models: str) -> Iterator[Container]:
    """A container, removed at the end; its log is printed where something goes wrong."""
    try:
        yield Container(docker, list(models))
    except BaseException:
        subprocess.run([*docker.command, "logs", "--tail", "60", NAME], check=False)
        raise
    finally:
        docker.run("rm", "--force", "--volumes", NAME, check=False)


def check_image(docker: Engine) -> int:
    """Its size, its user, and that it has no build tools; the size in bytes."""
    about = json.loads(docker.run("image", "inspect", IMAGE))[0]
    size: int = about["Size"]
    expect(size <= MOST_BYTES, f"the image has {size / 10**9:.2f} GB, 2 at most")
    expect(about["Config"]["User"] not in ("", "0", "root"), "its user is not root")
    look = f"command -v {' '.join(BUILD_TOOLS)} || true"
    network = ["--network", "none"]
    found = docker.run("run", "--rm", *network, "--entrypoint", "sh", IMAGE, "-c", look)
    expect(not found.strip(), f"no build tools in it{': ' if found else ''}{found.strip()}")
    return size


def ask(container: Container) -> None:
    """Classify and explain from outside."""
    sample = motion.sample(SAMPLE)
    label = motion.LABELS[sample.label]
    with Client(container.url, token=container.token()) as client:
        best = client.classify(sample.frames, model=SMALL).predictions[0]
        expect(best.label == label, f"{SMALL} sees what the clip shows: {best.label}")
        maps = client.explain(sample.frames, model=SMALL, method="integrated_gradients", steps=4)
        map_ = maps.saliency.map
        fits = map_.shape == sample.frames.shape[:3] and bool(np.isfinite(map_).all())
        expect(fits and bool(map_.any()), f"its explanation is a map {map_.shape}")
        large = client.explain(sample.frames, model=LARGE, method="grad_cam")
        expect(len(large.predictions) > 0, f"{LARGE} explains too: {large.predictions[0].label}")


def check_token(container: Container) -> None:
    """It takes no request without its key."""
    try:
        with Client(container.url, token="wrong") as client:
            client.classify(motion.sample(SAMPLE).frames, model=SMALL)
    except AuthenticationFailed:
        say("a wrong key is refused")
        return
    raise Failed("A wrong key is taken.")


def check_stop(container: Container) -> float:
    """SIGTERM ends it in time, in the midst of an explanation; the seconds that it took."""
    with Client(container.url, token=container.token()) as client:
        client.submit(motion.sample(SAMPLE).frames, model=LARGE, method="rise")
        seconds = container.send(signal.SIGTERM)
    status = container.state()["ExitCode"]
    expect(seconds <= STOP_S, f"SIGTERM ended it after {seconds:.1f} s, {STOP_S} at most")
    expect(status == 0, f"its exit status is {status}")
    return seconds


def test(docker: Engine, options: list[str]) -> dict[str, float]:
    """Everything; the figures."""
    figures = {"build_s": build(docker, options)}
    say(f"built in {figures['build_s']:.0f} s")
    figures["rebuild_s"] = build(docker, options)
    say(f"built again in {figures['rebuild_s']:.1f} s")
    figures["size_bytes"] = check_image(docker)
    with running(docker, LARGE, SMALL) as container:
        figures["healthy_s"] = container.wait_healthy()
        say(f"healthy after {figures['healthy_s']:.1f} s")
        ask(container)
        check_token(container)
        figures["sigterm_s"] = check_stop(container)
        figures["restart_s"] = container.start()
        say(f"started again, healthy after {figures['restart_s']:.1f} s")
        ask(container)
        container.send(signal.SIGKILL)
        say(f"killed and started again, healthy after {container.start():.1f} s")
        ask(container)
    with running(docker) as container:
        container.wait_healthy()
        served = container.docker.run("logs", NAME)
        expect(f"Serving {LARGE} at" in served, f"without arguments it serves {LARGE}")
    return figures


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, help="keep the engine's files here, for another run")
    parser.add_argument(
        "--build-arg", action="append", default=[], metavar="NAME=VALUE", help="for docker build"
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    subprocess.run(
        [str(Path(sys.executable).with_name("hadolint")), ROOT / "Dockerfile"], check=True
    )
    say("hadolint finds nothing")
    work = given.work or Path(tempfile.mkdtemp(prefix=f"{IMAGE}-"))
    work.mkdir(parents=True, exist_ok=True)
    try:
        with engine(work.resolve()) as docker:
            say("an engine of our own" if docker.own else "the engine that runs here")
            arguments = list(given.build_arg)
            # The wheels that the host's pip finds stand in for torch's index.
            if docker.own and os.environ.get("PIP_FIND_LINKS"):
                arguments.insert(0, "TORCH_INDEX=")
            options = [part for argument in arguments for part in ("--build-arg", argument)]
            try:
                figures = test(docker, options)
            finally:
                if not given.work:
                    docker.run("image", "rm", "--force", IMAGE, check=False)
    except (NoEngine, Failed) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        if not given.work:
            shutil.rmtree(work, ignore_errors=True)
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
