"""Builds the image, runs it under the strictest options, sends it requests and stops it.

`make container-test` runs this, with the Docker engine of this machine or, as root on Debian, with
one that it starts itself (`engine.py`). It leaves nothing behind except Debian packages.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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


def log(text: str) -> None:
    """Print a line with the seconds since the start."""
    print(f"{time.monotonic() - began:6.1f} s  {text}", flush=True)


class Failed(Exception):
    """The container failed a check."""


def check(condition: bool, text: str) -> None:
    """Log the fact `text`, or raise Failed where the condition is false."""
    if not condition:
        raise Failed(f"Not true: {text}")
    log(text)


def build(docker: Engine, options: list[str]) -> float:
    """Build the image and return the seconds it took."""
    start = time.monotonic()
    base = ["--build-arg", f"BASE_IMAGE={docker.base_image}"] if docker.base_image else []
    network = ["--network", "host"] if docker.own else []
    docker.run("build", *network, *base, *options, "--tag", IMAGE, str(ROOT))
    return time.monotonic() - start


def free_port() -> int:
    """The first of three consecutive free ports."""
    while True:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            port: int = bound.getsockname()[1]
        if port < 65000 and all(_is_free(port + step) for step in (1, 2)):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) != 0


class Container:
    """A running container of the image."""

    def __init__(self, docker: Engine, arguments: list[str]) -> None:
        self.docker = docker
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        if docker.own:
            network, inside = ["--network", "host"], ["--port", str(port)]
        else:
            network, inside = ["--publish", f"127.0.0.1:{port}:8080"], []
        docker.run("run", "--detach", "--name", NAME, *network, *STRICT, IMAGE, *inside, *arguments)

    def state(self) -> dict[str, Any]:
        """The engine's description of the container's state."""
        state: dict[str, Any] = json.loads(self.docker.run("inspect", NAME))[0]["State"]
        return state

    def wait_healthy(self) -> float:
        """Wait until the container is healthy and return the seconds it took."""
        start = time.monotonic()
        while (state := self.state())["Health"]["Status"] != "healthy":
            dead = not state["Running"] or state["Health"]["Status"] == "unhealthy"
            if dead or time.monotonic() - start > HEALTHY_S:
                raise Failed(f"The container doesn't become healthy: {state}")
            time.sleep(0.2)
        return time.monotonic() - start

    def logs(self) -> str:
        """All that it has logged."""
        command = [*self.docker.command, "logs", NAME]
        return subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
        ).stdout

    def token(self) -> str:
        """The inference key, read as docs/operating.md says."""
        keys = self.docker.run("exec", NAME, "cat", f"{RUN_FOLDER}/key_file.json")
        return str(json.loads(keys)["inference"]["key"])

    def send(self, number: signal.Signals) -> float:
        """Send a signal and return the seconds until the container has ended."""
        start = time.monotonic()
        self.docker.run("kill", "--signal", number.name, NAME)
        while self.state()["Running"]:
            if time.monotonic() - start > HEALTHY_S:
                raise Failed(f"The container still runs after {number.name}.")
            time.sleep(0.05)
        return time.monotonic() - start

    def start(self) -> float:
        """Start the container again and return the seconds until it is healthy."""
        self.docker.run("start", NAME)
        return self.wait_healthy()


@contextmanager
def running(docker: Engine, *arguments: str) -> Iterator[Container]:
    """Start a container, and remove it at the end. An error prints its log first."""
    try:
        yield Container(docker, list(arguments))
    except BaseException:
        subprocess.run([*docker.command, "logs", "--tail", "60", NAME], check=False)
        raise
    finally:
        docker.run("rm", "--force", "--volumes", NAME, check=False)


def check_image(docker: Engine) -> int:
    """Check the image's size, user and lack of build tools; returns the size in bytes."""
    about = json.loads(docker.run("image", "inspect", IMAGE))[0]
    size: int = about["Size"]
    check(size <= MOST_BYTES, f"the image has {size / 10**9:.2f} GB, 2 at most")
    check(about["Config"]["User"] not in ("", "0", "root"), "its user is not root")
    look = f"command -v {' '.join(BUILD_TOOLS)} || true"
    network = ["--network", "none"]
    found = docker.run("run", "--rm", *network, "--entrypoint", "sh", IMAGE, "-c", look)
    check(not found.strip(), f"no build tools in it{': ' if found else ''}{found.strip()}")
    return size


def check_answers(container: Container) -> None:
    """Send classifications and explanations."""
    sample = motion.sample(SAMPLE)
    label = motion.LABELS[sample.label]
    with Client(container.url, token=container.token()) as client:
        best = client.classify(sample.frames, model=SMALL).predictions[0]
        check(best.label == label, f"{SMALL} classifies the clip correctly: {best.label}")
        maps = client.explain(sample.frames, model=SMALL, method="integrated_gradients", steps=4)
        map_ = maps.saliency.map
        fits = map_.shape == sample.frames.shape[:3] and bool(np.isfinite(map_).all())
        check(fits and bool(map_.any()), f"its explanation is a map {map_.shape}")
        large = client.explain(sample.frames, model=LARGE, method="grad_cam")
        check(len(large.predictions) > 0, f"{LARGE} explains as well: {large.predictions[0].label}")


def check_token(container: Container) -> None:
    """Check that a request without the key is refused."""
    try:
        with Client(container.url, token="wrong") as client:
            client.classify(motion.sample(SAMPLE).frames, model=SMALL)
    except AuthenticationFailed:
        log("a wrong key is refused")
        return
    raise Failed("A wrong key is accepted.")


def check_stop(container: Container) -> float:
    """Check that SIGTERM ends it in time during an explanation; returns the seconds it took."""
    with Client(container.url, token=container.token()) as client:
        client.submit(motion.sample(SAMPLE).frames, model=LARGE, method="rise")
        seconds = container.send(signal.SIGTERM)
    status = container.state()["ExitCode"]
    check(seconds <= STOP_S, f"SIGTERM ended it after {seconds:.1f} s, {STOP_S} at most")
    check(status == 0, f"its exit status is {status}")
    return seconds


def check_all(docker: Engine, options: list[str]) -> dict[str, float]:
    """Run all checks and return the measurements."""
    figures = {"build_s": build(docker, options)}
    log(f"built in {figures['build_s']:.0f} s")
    figures["rebuild_s"] = build(docker, options)
    log(f"built again in {figures['rebuild_s']:.1f} s")
    figures["size_bytes"] = check_image(docker)
    figures |= check_server(docker, "")
    figures |= check_server(docker, "uvicorn_", "--server", "uvicorn")
    alone = ["explainer", "--json", "--model_name", "m", "--predictor_host", "localhost:9"]
    said = docker.run("run", "--rm", "--network", "none", *STRICT, IMAGE, *alone, check=False)
    check('"invalid_weights"' in said, "as an explainer without a card it asks for one")
    with running(docker) as container:
        container.wait_healthy()
        check(f"Serving {LARGE} at" in container.logs(), f"without arguments it serves {LARGE}")
        files = container.docker.run("exec", NAME, "ls", RUN_FOLDER)
        check("config.properties" in files, "by TorchServe")
    return figures


def check_server(docker: Engine, prefix: str, *server: str) -> dict[str, float]:
    """Check one server's answers, keys, stop and restarts; returns the measurements."""
    figures = {}
    with running(docker, LARGE, SMALL, *server) as container:
        figures[f"{prefix}healthy_s"] = container.wait_healthy()
        log(f"healthy after {figures[f'{prefix}healthy_s']:.1f} s {' '.join(server)}")
        check_answers(container)
        check_token(container)
        check('{"event"' in container.logs(), "its log has the journal")
        figures[f"{prefix}sigterm_s"] = check_stop(container)
        figures[f"{prefix}restart_s"] = container.start()
        log(f"started again, healthy after {figures[f'{prefix}restart_s']:.1f} s")
        check_answers(container)
        container.send(signal.SIGKILL)
        log(f"killed and started again, healthy after {container.start():.1f} s")
        check_answers(container)
    return figures


def main() -> int:
    """Parse the arguments, run the checks and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--work", type=Path, help="folder in which to keep the engine's files for the next run"
    )
    parser.add_argument(
        "--build-arg", action="append", default=[], metavar="NAME=VALUE", help="for docker build"
    )
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    subprocess.run(
        [str(Path(sys.executable).with_name("hadolint")), ROOT / "Dockerfile"], check=True
    )
    log("hadolint finds nothing")
    try:
        with ExitStack() as stack:
            work = given.work
            if work is None:
                folder = tempfile.TemporaryDirectory(prefix=IMAGE, ignore_cleanup_errors=True)
                work = Path(stack.enter_context(folder))
            work.mkdir(parents=True, exist_ok=True)
            docker = stack.enter_context(engine(work.resolve()))
            if given.work is None:
                stack.callback(docker.run, "image", "rm", "--force", IMAGE, check=False)
            log("an engine of its own" if docker.own else "the engine of this machine")
            arguments = list(given.build_arg)
            # The host's wheels replace torch's index.
            if docker.own and os.environ.get("PIP_FIND_LINKS"):
                arguments.insert(0, "TORCH_INDEX=")
            options = [part for argument in arguments for part in ("--build-arg", argument)]
            figures = check_all(docker, options)
    except (NoEngine, Failed) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({name: round(value, 1) for name, value in figures.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
