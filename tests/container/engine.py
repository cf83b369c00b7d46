"""A Docker engine for the container's test: the one that runs, or one of our own.

Where none runs, and we are root on a Debian, Debian's own is installed and started in a folder of
its own, without a bridge and without a registry: its containers have the host's network, and their
base image is made by debootstrap.
"""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

SUITE = "bookworm"
BASE_IMAGE = f"localbase:{SUITE}"
PACKAGES = ("ca-certificates", "python3", "python3-venv")
CERTIFICATES = Path("usr/local/share/ca-certificates")
START_S = 60
STOP_S = 30


class NoEngine(Exception):
    """There is no engine, and none of our own can be had."""


@dataclass(frozen=True)
class Engine:
    """A running engine.

    Attributes:
        command: the client's command, with what makes it speak to this engine.
        base_image: a base for the Dockerfile; None for the Dockerfile's own.
        own: whether it is ours: its containers have the host's network then.
    """

    command: tuple[str, ...]
    base_image: str | None = None
    own: bool = False

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run a command of the client and return what it printed.

        Raises:
            subprocess.CalledProcessError: it failed; what it said goes to standard error.
        """
        done = subprocess.run(
            [*self.command, *arguments], capture_output=True, text=True, check=False
        )
        if check and done.returncode != 0:
            print(done.stdout[-4000:], done.stderr[-4000:], sep="\n", flush=True)
            done.check_returncode()
        return done.stdout


@contextmanager
def engine(work: Path) -> Iterator[Engine]:
    """The engine that runs; else one of our own, which ends with the context.

    Args:
        work: an empty folder for the engine's files, or one that such a context has left.

    Raises:
        NoEngine: neither is possible here; the message says why.
    """
    running = Engine(("docker",))
    if shutil.which("docker") and _answers(running):
        yield running
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NoEngine(
            "No Docker engine answers, and one of our own needs root on a Debian. Start one, or "
            "run this as root."
        )
    _install()
    with ExitStack() as stack:
        own = stack.enter_context(_daemon(work))
        _import_base(own, work, stack)
        yield own


def _install() -> None:
    needed = {"dockerd": "docker.io", "debootstrap": "debootstrap"}
    missing = [package for program, package in needed.items() if not shutil.which(program)]
    if missing:
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        _call("apt-get", "update", "-qq", environment=environment)
        _call(
            *("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing),
            environment=environment,
        )


def _call(*command: str, environment: dict[str, str] | None = None) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)


@contextmanager
def _daemon(work: Path) -> Iterator[Engine]:
    socket = work / "docker.sock"
    # Another client may be first on the path, and too new for this engine.
    own = Engine(("/usr/bin/docker", "--host", f"unix://{socket}"), BASE_IMAGE, own=True)
    with (work / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            [
                *("dockerd", "--iptables=false", "--ip6tables=false", "--bridge=none"),
                *("--storage-driver", "overlay2", "--host", f"unix://{socket}"),
                *("--data-root", str(work / "data"), "--exec-root", str(work / "exec")),
                *("--pidfile", str(work / "dockerd.pid")),
            ],
            stdout=log,
            stderr=log,
        )
    try:
        deadline = time.monotonic() + START_S
        while not _answers(own):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoEngine(f"dockerd did not start: {(work / 'dockerd.log').read_text()}")
            time.sleep(0.2)
        yield own
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        namespace = work / "exec" / "netns" / "default"
        if namespace.exists():
            subprocess.run(["umount", str(namespace)], check=False)


def _answers(engine: Engine) -> bool:
    asked = subprocess.run([*engine.command, "info"], capture_output=True, check=False)
    return asked.returncode == 0


def _import_base(engine: Engine, work: Path, stack: ExitStack) -> None:
    """Make `BASE_IMAGE`, with the host's ways to the package registries."""
    settings = [f"ENV PATH={os.defpath.lstrip(':')}:/usr/sbin:/sbin"]
    wheels = os.environ.get("PIP_FIND_LINKS", "")
    if Path(wheels).is_dir():
        settings.append(f"ENV PIP_FIND_LINKS={stack.enter_context(_served(Path(wheels)))}")
    archive = work / "base.tar"
    if not archive.is_file():
        root = work / "base"
        _call(
            "debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, str(root)
        )
        _adapt(root)
        _call("tar", "-C", str(root), "-cf", str(archive), ".")
        shutil.rmtree(root)
    changes = [part for setting in settings for part in ("--change", setting)]
    engine.run("import", *changes, str(archive), BASE_IMAGE)


def _adapt(root: Path) -> None:
    with (root / "etc/apt/sources.list").open("a") as sources:
        sources.write(f"deb http://deb.debian.org/debian-security {SUITE}-security main\n")
    for certificate in (Path("/") / CERTIFICATES).glob("*.crt"):
        shutil.copy(certificate, root / CERTIFICATES)
    _call("chroot", str(root), "update-ca-certificates")
    if Path("/etc/pip.conf").is_file():
        shutil.copy("/etc/pip.conf", root / "etc")
    # A layer of the base cannot be made smaller by those above it.
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The address at which the folder's files can be had on loopback."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    handler = functools.partial(Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
