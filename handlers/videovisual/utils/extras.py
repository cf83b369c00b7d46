"""Packages that not every installation has, and the command that installs them."""

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from videovisual.errors import MissingExtra

REASONS = {
    "pictures": "Arrays and pictures need numpy and Pillow",
    "video": "Videos need PyAV",
    "figures": "Figures as pdf and svg need matplotlib",
    "server": "This needs the server's packages",
    "asgi": "A server without TorchServe needs its own packages",
    "hf": "Models of the Hub and of transformers need transformers and torchvision",
    "torchvision": "Models of torchvision need it",
    "ui": "The viewer needs its own packages",
    "evidence": "Evidence records need rfc8785 and cryptography",
    "bulk": "Bulk runs need Ray, fsspec and pyarrow",
    "onnx": "ONNX models need onnx and onnxruntime",
    "fiftyone": "Labels of FiftyOne need it",
    "rerun": "Recordings of Rerun need rerun-sdk",
    "mlflow": "Runs of MLflow need mlflow-skinny, or mlflow",
}
"""What the extras of pyproject.toml are for."""

CONSTRAINTS = "constraints.txt"
"""A checkout's file of the tested versions."""

OURS = ("videovisual", "videovisual_client")


@contextmanager
def needs(extra: str, instead: str = "") -> Iterator[None]:
    """Put around imports: a package that is not installed becomes an error that says what to do.

    Args:
        extra: the extra that installs the package, or several with commas between them.
        instead: a sentence about what can be done without it.

    Raises:
        MissingExtra: the package is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OURS:
            raise
        advice = f"{REASONS[extra.partition(',')[0]]}: {install_command(extra)}."
        raise MissingExtra(f"{advice} {instead}".rstrip(), extra=extra) from error


def install_command(extra: str) -> str:
    """The shell command that adds an extra, or `several,extras`, to this installation.

    VideoVisual is on no registry, so the command names the checkout, wheel or URL that this
    installation came from. Where that is unknown, or no longer there, the command is one for a
    checkout, and says so.
    """
    try:
        origin = metadata.distribution("videovisual").read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        origin = None
    source = _source(json.loads(origin), extra) if origin else None
    if source is None:
        command = f"pip install -c {CONSTRAINTS} -e '.[{extra}]'"
        return f"{command} (in a checkout of VideoVisual)"
    return f"{_pip()} install {source}"


def _source(origin: dict[str, object], extra: str) -> str | None:
    """Pip's arguments for what PEP 610 says of an installation; None if its file is gone."""
    url = str(origin["url"])
    path = Path(url2pathname(urlsplit(url).path))
    if url.startswith("file:") and not path.exists():
        return None
    match origin:
        case {"dir_info": {"editable": True}}:
            pins = path / CONSTRAINTS
            tested = f"-c {shlex.quote(str(pins))} " if pins.is_file() else ""
            return f"{tested}-e {shlex.quote(f'{path}[{extra}]')}"
        case {"vcs_info": {"vcs": vcs, "commit_id": commit}}:
            url = f"{vcs}+{url}@{commit}"
    return shlex.quote(f"videovisual[{extra}] @ {url}")


def _pip() -> str:
    """`pip`, or the pip of this Python where the shell would start another one."""
    found = shutil.which("pip")
    if found and Path(found).parent == Path(sys.executable).parent:
        return "pip"
    return f"{shlex.quote(sys.executable)} -m pip"
