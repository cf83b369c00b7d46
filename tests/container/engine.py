"""A Docker engine for the container test: the machine's own, or one that is started here.

Without a running engine, and as root on Debian, Debian's engine is installed and started in a
folder of its own. It needs neither a bridge nor a registry: its containers use the host's network,
and debootstrap makes their base image.
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
NETWORK = tuple(
    name
    for lower in ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
    for name in (lower, lower.upper())
)
START_S = 60
STOP_S = 30


class NoEngine(Exception):
    """No engine runs, and none can be started."""


@dataclass(frozen=True)
class Engine:
    """A running engine.

    Attributes:
        command: the client's command, with the options that select this engine.
        base_image: a base for the Dockerfile; None for the Dockerfile's own.
        own: whether the engine was started here; its containers use the host's network.
    """

    command: tuple[str, ...]
    base_image: str | None = None
    own: bool = False

    def run(self, *arguments: str, check: bool = True) -> str:
        """Run a command of the client and return its standard output.

        Raises:
            subprocess.CalledProcessError: the command failed; its output is printed.
        """
        done = subprocess.run(
            [*self.command, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=system_environment() if self.own else None,
        )
        if check and done.returncode != 0:
            print(done.stdout[-4000:], done.stderr[-4000:], sep="\n", flush=True)
            done.check_returncode()
        return done.stdout


@contextmanager
def engine(work: Path) -> Iterator[Engine]:
    """The running engine, or else a new one, which the end of the context stops.

    Args:
        work: folder for the new engine's files, empty or left by an earlier run.

    Raises:
        NoEngine: no engine runs, and none can be started; the message says why.
    """
    running = Engine(("docker",))
    if shutil.which("docker") and _answers(running):
        yield running
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NoEngine(
            "No Docker engine answers, and starting one needs root on Debian. Start an engine, or "
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
        _call("apt-get", "update", "-qq")
        _call("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing)


def _call(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=system_environment())


def system_environment() -> dict[str, str]:
    """The environment of Debian's tools: nothing of the caller's but how the network is reached.

    In a chroot the caller's TMPDIR doesn't exist, and its PYTHONPATH or LD_PRELOAD is another
    system's.
    """
    network = {name: os.environ[name] for name in NETWORK if name in os.environ}
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return {"PATH": path, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive", **network}


@contextmanager
def _daemon(work: Path) -> Iterator[Engine]:
    socket = work / "docker.sock"
    # Another client on the path may be too new for this engine.
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
            env=system_environment(),
        )
    try:
        deadline = time.monotonic() + START_S
        while not _answers(own):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoEngine(f"dockerd didn't start: {(work / 'dockerd.log').read_text()}")
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
    environment = system_environment() if engine.own else None
    done = subprocess.run(
        [*engine.command, "info"], capture_output=True, check=False, env=environment
    )
    return done.returncode == 0


def _import_base(engine: Engine, work: Path, stack: ExitStack) -> None:
    """Make `BASE_IMAGE`, with the host's settings for the package registries."""
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
    # Removing files in a later layer would not make the image smaller.
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()
    shutil.rmtree(root / "var/lib/apt/lists", ignore_errors=True)


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """Serve the folder on loopback; yields its address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Print nothing."""

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
